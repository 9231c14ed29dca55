// How a worker asks to be let in, and what a studio answers. Both are plain HTTP, before any session exists.
import { z } from 'zod';
import { absent, defaulted } from './absent.ts';
import { WorkerCapabilities } from './capabilities.ts';
import { Id } from './ids.ts';

/** `registrationSecretHash` is the SHA-256 of the secret's 64 hex characters (not of the 32 bytes they stand for). */
export const RegisterRequest = z.object({
  installId: Id,
  registrationSecretHash: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits'),
  capabilities: WorkerCapabilities,
  userAgent: z.string(),
  label: absent(z.string()),
});
export type RegisterRequest = z.infer<typeof RegisterRequest>;

export const RegisterCreated = z.object({ requestId: Id, status: z.literal('pending') });
export type RegisterCreated = z.infer<typeof RegisterCreated>;

/** It travels in a header, where nothing but visible ASCII may stand. */
export const AuthToken = z.string().regex(/^[\x21-\x7e]{1,4096}$/, 'expected 1 to 4096 visible ASCII characters');

export const RegisterStatus = z.discriminatedUnion('status', [
  z.object({ status: z.literal('pending') }),
  z.object({ status: z.literal('approved'), workerId: Id, authToken: AuthToken }),
  z.object({ status: z.literal('rejected'), reason: defaulted(z.string(), '') }),
]);
export type RegisterStatus = z.infer<typeof RegisterStatus>;
