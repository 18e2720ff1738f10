export function NetworkIndicator() {
  return null;
}
