// Connections that go only where the rules allow. Names are resolved here and the connection is made to the very
// address that was looked at: a name server that answers differently the second time gains nothing.
import { type LookupAddress, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent } from 'undici';
import { Failure } from '../../protocol/failure.ts';
import type { NetworkPolicy } from '../engine.ts';
import { mayConnect } from './address.ts';
import { oneBufferConnector } from './one-buffer.ts';
import { refusal } from './url-rule.ts';

/** Silence (while connecting, before the answer, between two pieces of it) after which a request is given up, in ms. */
export const STALL_MS = 30_000;

/** `stallMs` is kept to the half second at best. Close it when the requests are done. */
export function openGuardedAgent(policy: NetworkPolicy, stallMs: number = STALL_MS): Agent {
  return openAgent(stallMs, { timeout: stallMs, lookup: guardedLookup(policy) });
}

/** The same for large files. A piece of an answer must not be kept: see one-buffer.ts. */
export function openGuardedFileAgent(policy: NetworkPolicy, stallMs: number = STALL_MS): Agent {
  return openAgent(stallMs, oneBufferConnector({ timeout: stallMs, lookup: guardedLookup(policy) }));
}

function openAgent(stallMs: number, connect: Agent.Options['connect']): Agent {
  return new Agent({ headersTimeout: stallMs, bodyTimeout: stallMs, connect });
}

export function guardedLookup(policy: NetworkPolicy, resolve: typeof lookup = lookup): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) return done(error, '');
      const allowed = found.filter(({ address }) => mayConnect(address, hostname, policy));
      const [first] = allowed;
      if (first === undefined) return done(new Failure('ADDRESS_REFUSED', `the URL ${refusal(hostname)}`), '');
      if (options.all) done(null, allowed);
      else done(null, first.address, first.family);
    });
  };
}
