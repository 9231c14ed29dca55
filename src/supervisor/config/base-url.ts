// Which URLs this worker may talk to. A token travels to `api_base_url` and code comes from the update feed, so plain
// http is for this machine only.

/** Why the text is not a usable URL, as words that follow the key's name; undefined when it is fine. Quotes nothing. */
export function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'must be a URL such as https://studio.example.com/';
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must start with https://';
  if (url.hostname === '') return 'must name a host';
  // fetch and ws refuse such URLs anyway, and a password in a URL ends up in logs.
  if (url.username !== '' || url.password !== '') return 'must not contain a user name or password';
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return 'must use https:// (plain http:// is allowed for this machine only: localhost, 127.0.0.1, [::1])';
  }
  return undefined;
}

/** As `urlProblem`, for a URL to which paths are appended. */
export function baseUrlProblem(text: string): string | undefined {
  const problem = urlProblem(text);
  if (problem !== undefined) return problem;
  const url = new URL(text);
  return url.search !== '' || url.hash !== '' ? 'must not contain a query or a fragment' : undefined;
}

/** `hostname` as `URL` writes it, so IPv4 is already in dotted form and IPv6 in brackets. */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}
