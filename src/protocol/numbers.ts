// Number ranges of the wire. Upstream's peers are written in a language with fixed-width integers.
import { z } from 'zod';

const U32_MAX = 2 ** 32 - 1;
const U64_MAX = 2 ** 64 - 1;

/** An unsigned 32-bit integer. */
export const u32 = z.number().int().min(0).max(U32_MAX);

/** An unsigned 64-bit integer. Values above 2^53 arrive rounded, since JSON numbers are doubles in JavaScript. */
export const u64 = z.number().refine((value) => Number.isInteger(value) && value >= 0 && value <= U64_MAX, {
  message: 'expected an integer from 0 to 2^64 - 1',
});

/** Any finite number. */
export const finite = z.number();
