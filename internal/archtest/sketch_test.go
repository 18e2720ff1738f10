package archtest_test

// sketchNames lists what the first sketch of the project promised: each class, method, option, state, metric, element
// of its interface, scenario and measure of success. docs/requirements.md has exactly one row for each.
var sketchNames = map[string][]string{
	"Network quality": {
		"NetworkQuality",
		"NetworkQuality.EXCELLENT", "NetworkQuality.GOOD", "NetworkQuality.FAIR", "NetworkQuality.POOR",
		"NetworkQuality.OFFLINE",
		"metric: latency", "metric: bandwidth", "metric: packet loss", "metric: stability",
		"NetworkMetrics",
		"NetworkMetrics.quality", "NetworkMetrics.latency", "NetworkMetrics.packetLoss", "NetworkMetrics.isOnline",
		"NetworkMetrics.timestamp",
		"NetworkQualityMonitor",
		"NetworkQualityMonitor config.pingUrl", "NetworkQualityMonitor config.interval",
		"HEAD /api/health/ping",
		"NetworkQualityMonitor.startMonitoring", "NetworkQualityMonitor.handleOnline",
		"NetworkQualityMonitor.handleOffline", "NetworkQualityMonitor.measureLatency",
		"NetworkQualityMonitor.updateMetrics", "NetworkQualityMonitor.calculateQuality",
		"NetworkQualityMonitor.subscribe", "NetworkQualityMonitor.notifyListeners",
		"NetworkQualityMonitor.getMetrics", "NetworkQualityMonitor.destroy",
	},
	"Indicator": {
		"useNetworkQuality",
		"NetworkIndicator",
		"label Excellent", "label Good", "label Fair", "label Poor", "label Offline", "text Reconnecting...",
		"icon ●●●", "icon ●●○", "icon ●○○", "icon ○○○",
		"colour green", "colour yellow", "colour orange", "colour red",
		"latency in ms",
	},
	"Tokens": {
		"Tokens", "Tokens.accessToken", "Tokens.refreshToken", "Tokens.expiresAt",
		"TokenManager", "TokenManager config.apiUrl", "TokenManager config.onTokenRefresh",
		"TokenManager.setTokens", "TokenManager.getAccessToken", "TokenManager.getValidToken",
		"TokenManager.refreshToken", "TokenManager.performRefresh", "TokenManager.scheduleRefresh",
		"TokenManager.destroy",
		"60 s buffer", "refresh 5 minutes before expiration",
		"POST /api/auth/refresh", "reply token, refreshToken, expiresIn",
	},
	"API client": {
		"ApiClient", "ApiClient config.baseUrl", "ApiClient config.apiKey", "ApiClient.request",
		"Authorization: Bearer", "circuitBreaker.execute", "retryAsync", "401: refresh and retry once",
		"error HTTP status",
	},
	"Connection": {
		"ConnectionState",
		"ConnectionState.DISCONNECTED", "ConnectionState.CONNECTING", "ConnectionState.CONNECTED",
		"ConnectionState.RECONNECTING", "ConnectionState.FAILED",
		"ConnectionManager", "ConnectionManager config.url", "ConnectionManager config.tokenManager",
		"option getToken", "option minReconnectDelay", "option maxReconnectDelay", "option getReconnectDelay",
		"give up after 10 attempts", "reconnectAttempts",
		"ConnectionManager.setupEventHandlers",
		"event connecting", "event connected", "event disconnected", "event error",
		"ConnectionManager.connect", "ConnectionManager.disconnect", "ConnectionManager.setState",
		"ConnectionManager.getState", "ConnectionManager.subscribe",
	},
	"Scenarios": {
		"Scenario 1", "Scenario 2", "Scenario 3", "Scenario 4", "Scenario 5", "Scenario 6", "Scenario 7", "Scenario 8",
	},
	"Measures of success": {
		"WebSocket reconnection time < 2 s",
		"Token refresh success rate 100%",
		"Network indicator accuracy 95%+",
		"Resilience test coverage 100%",
	},
}
