// Which addresses may be connected to. Pure. A studio names URLs, and this worker stands in somebody's network: without
// these rules a job could read a router's pages, a neighbour's files or a cloud's metadata through it.
import ipaddr from 'ipaddr.js';
import type { NetworkPolicy } from '../engine.ts';

export type AddressKind = 'public' | 'loopback' | 'private';

/** `private` is everything that is neither a public nor this machine's own address: link-local and reserved ones too. */
export function addressKind(address: string): AddressKind {
  if (!ipaddr.isValid(address)) return 'private';
  // Turns ::ffff:127.0.0.1 into 127.0.0.1.
  const parsed = ipaddr.process(address);
  const range = parsed.range();
  if (range === 'unicast') return 'public';
  if (range === 'loopback') return 'loopback';
  // An IPv6-only network reaches IPv4 hosts under 64:ff9b::/96; the last four bytes are the address that is meant.
  if (range === 'rfc6052') return addressKind(parsed.toByteArray().slice(12).join('.'));
  return 'private';
}

/** Whether `address`, to which `hostname` leads, may be connected to. */
export function mayConnect(address: string, hostname: string, policy: NetworkPolicy): boolean {
  const kind = addressKind(address);
  if (isLocalName(hostname) && kind !== 'loopback') return false;
  if (isVouchedFor(hostname, policy)) return true;
  return kind === 'public' || (kind === 'loopback' && policy.allowLoopback);
}

/** The operator lists the host by name or by address. */
export function isVouchedFor(hostname: string, { allowedHosts }: NetworkPolicy): boolean {
  const bare = withoutBrackets(hostname);
  return allowedHosts.some((host) => withoutBrackets(host) === bare);
}

/** Names that mean this machine, whatever a name server says (RFC 6761). */
export function isLocalName(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost');
}

/** `URL` writes IPv6 addresses in brackets; everything else wants them without. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
}
