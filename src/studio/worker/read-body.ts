// Reads a request's JSON body within a bound, and checks it against a schema.
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';
import { describeIssues } from '../../protocol/index.ts';
import { Problem } from './problem.ts';

export const JSON_BYTES_MAX = 1024 * 1024;

/** A job may carry its inputs as `data:` URLs. With them its offer still fits a frame of 32 MiB. */
export const JOB_BYTES_MAX = 24 * 1024 * 1024 + JSON_BYTES_MAX;

/** Larger results are refused by the studio; Cloudflare's own plans may allow less. */
export const UPLOAD_BYTES_MAX = 512 * 1024 * 1024;

export function bounded(bytesMax: number) {
  return bodyLimit({
    maxSize: bytesMax,
    onError: () => {
      throw new Problem('too_large', `the body is larger than ${bytesMax} bytes`);
    },
  });
}

export async function readBody<T>(request: { json(): Promise<unknown> }, schema: z.ZodType<T>): Promise<T> {
  let value: unknown;
  try {
    value = await request.json();
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('invalid_request', 'the body is not JSON');
  }
  return check(schema, value);
}

export function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Problem('invalid_request', describeIssues(parsed.error));
  return parsed.data;
}
