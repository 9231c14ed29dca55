// Lets only the operator through: the bearer token must be ADMIN_TOKEN, compared in constant time.
import { createMiddleware } from 'hono/factory';
import type { Env } from './env.ts';
import { Problem } from './problem.ts';
import { bearerOf, sameHash, sha256Hex } from './secrets.ts';

export const operatorOnly = createMiddleware<{ Bindings: Env }>(async (c, next) => {
  const given = bearerOf(c.req.raw);
  const expected = c.env.ADMIN_TOKEN;
  // Both are hashed first: equal lengths, so the comparison tells nothing about the token's own length.
  if (!expected || !given || !sameHash(await sha256Hex(given), await sha256Hex(expected))) {
    throw new Problem('unauthorized', 'the operator API needs "Authorization: Bearer <admin token>"');
  }
  await next();
});
