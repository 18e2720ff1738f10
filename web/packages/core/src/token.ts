/**
 * Takes the agent's token out of the page's address (`#token=…`), so that it can't be copied from there or kept in the
 * history, and remembers it for this tab, so that the page can be loaded again. Null if there is none.
 */
export function takeToken(key = 'chatsdk.token'): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token');
  try {
    if (!token) return sessionStorage.getItem(key);
    sessionStorage.setItem(key, token);
  } catch {
    // Some browsers forbid pages to keep anything: then it is only not remembered.
    if (!token) return null;
  }
  fragment.delete('token');
  const rest = fragment.toString();
  history.replaceState(history.state, '', location.pathname + location.search + (rest && `#${rest}`));
  return token;
}
