// Tokens for live streams: whoever has one may speak to one model until it expires. They are handed out over the local
// API, travel in an address over the LAN, and are kept here only as digests, in memory.
import { createHash, randomBytes } from 'node:crypto';

export const TTL_SECS = { min: 30, max: 3_600, usual: 600 } as const;
/** More than programs of one machine need; the one that would expire first makes room. */
const TOKENS_MAX = 4_096;
const TOKEN = /^[0-9a-f]{64}$/;

export type MintedToken = { readonly token: string; readonly expiresAt: Date };

export type StreamTokens = {
  /** `ttlSecs` outside of the bounds is brought to the nearest one. */
  mint(model: string, ttlSecs: number): MintedToken;
  /** The model that the token is for; undefined: it is none, or no longer. */
  modelOf(token: string): string | undefined;
};

export function openStreamTokens(now: () => number = Date.now): StreamTokens {
  const kept = new Map<string, { readonly model: string; readonly expiresMs: number }>();

  function prune(): void {
    for (const [digest, { expiresMs }] of kept) if (expiresMs <= now()) kept.delete(digest);
    if (kept.size < TOKENS_MAX) return;
    const [first] = [...kept].sort(([, a], [, b]) => a.expiresMs - b.expiresMs);
    if (first) kept.delete(first[0]);
  }

  return {
    mint(model, ttlSecs) {
      prune();
      const token = randomBytes(32).toString('hex');
      const expiresMs = now() + 1_000 * Math.min(TTL_SECS.max, Math.max(TTL_SECS.min, ttlSecs));
      kept.set(digestOf(token), { model, expiresMs });
      return { token, expiresAt: new Date(expiresMs) };
    },
    modelOf(token) {
      if (!TOKEN.test(token)) return undefined;
      // Found by its digest, so how long that takes says nothing about the token.
      const found = kept.get(digestOf(token));
      return found && found.expiresMs > now() ? found.model : undefined;
    },
  };
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
