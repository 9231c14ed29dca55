// Hugging Face: a mirror instead of it, and the operator's token for it. Pure.

export type Hub = {
  /** A mirror that is asked instead of huggingface.co. */
  readonly endpoint: URL | undefined;
  readonly token: string | undefined;
};

const HUB_HOSTS: ReadonlySet<string> = new Set(['huggingface.co', 'www.huggingface.co', 'hf.co']);

/** `HF_ENDPOINT` and `HF_TOKEN`, the names that all tools of Hugging Face share. */
export function hubOf(env: Readonly<Record<string, string | undefined>>): Hub {
  const { HF_ENDPOINT = '', HF_TOKEN = '' } = env;
  return {
    endpoint: URL.canParse(HF_ENDPOINT) ? new URL(HF_ENDPOINT) : undefined,
    token: HF_TOKEN.trim() || undefined,
  };
}

/** The same file at the mirror, when there is one and the file is of Hugging Face. */
export function atMirror(url: string, { endpoint }: Hub): string {
  if (endpoint === undefined || !URL.canParse(url)) return url;
  const { protocol, hostname, pathname, search } = new URL(url);
  if (protocol !== 'https:' || !HUB_HOSTS.has(hostname)) return url;
  return `${endpoint.origin}${endpoint.pathname.replace(/\/$/, '')}${pathname}${search}`;
}

/**
 * The token goes to the hub alone: over https, and to no other host that a redirect leads to (the files themselves are
 * on signed URLs of other hosts). `first` is the URL that was asked for.
 */
export function hubHeaders(hop: URL, first: URL, { endpoint, token }: Hub): Record<string, string> {
  const isHub = HUB_HOSTS.has(hop.hostname) || hop.host === endpoint?.host;
  if (token === undefined || !isHub || hop.protocol !== 'https:' || hop.host !== first.host) return {};
  return { authorization: `Bearer ${token}` };
}

export function isHubUrl(url: string, { endpoint }: Hub): boolean {
  if (!URL.canParse(url)) return false;
  const { host, hostname } = new URL(url);
  return HUB_HOSTS.has(hostname) || host === endpoint?.host;
}
