package scenario_test

import (
	"testing"
)

// TestScenario2 is half of the requests without an answer, and half and all of them with 503.
func TestScenario2(t *testing.T) { runVirtual(t, "2", "2-503") }

// TestScenario3 is a server that is down for 30 s.
func TestScenario3(t *testing.T) { runVirtual(t, "3") }

// TestScenario4 is a token that expires during requests.
func TestScenario4(t *testing.T) { runVirtual(t, "4") }

// TestScenario7 is 429 with its three ways to say how long.
func TestScenario7(t *testing.T) { runVirtual(t, "7") }
