// Ids travel in URL paths verbatim and become file names of the outbox, so what may stand in one is bounded here.
import { z } from 'zod';

/** 1 to 128 characters that need no escaping in a URL path or a file name, and never `.` or `..`. */
const SAFE_ID = /^(?!\.{1,2}$)[A-Za-z0-9._:~-]{1,128}$/;

export const Id = z.string().regex(SAFE_ID, 'expected 1 to 128 characters of A-Z a-z 0-9 . _ : ~ -');

export function isSafeId(value: unknown): value is string {
  return typeof value === 'string' && SAFE_ID.test(value);
}
