// Hashing and comparing of secrets. Nothing here, or anywhere in the studio, keeps or logs a secret itself.

const encoder = new TextEncoder();

/** SHA-256 of the text's UTF-8 bytes, as 64 lower-case hex digits. */
export async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Takes the same time wherever the two differ, so that a secret cannot be guessed digit by digit. */
export function sameHash(left: string, right: string): boolean {
  const a = encoder.encode(left);
  const b = encoder.encode(right);
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}

/** 32 random bytes as 64 hex digits. */
export function mintToken(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The token of `Authorization: Bearer …`, or undefined. */
export function bearerOf(request: Request): string | undefined {
  return /^Bearer +([^\s]+)\s*$/i.exec(request.headers.get('authorization') ?? '')?.[1];
}
