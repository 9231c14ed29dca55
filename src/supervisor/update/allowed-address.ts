// Which addresses an update may come from. Pure. Code is fetched and run, so the list is short: GitHub's, the host that
// the operator named as the feed, and this machine when the feed itself is there.
import { isLoopback, urlProblem } from '../config/base-url.ts';
import { UpdateError } from './update-error.ts';

/** Where GitHub keeps the files of releases: its own name, and the two stores it redirects to. */
const RELEASE_HOSTS: ReadonlySet<string> = new Set([
  'github.com',
  'objects.githubusercontent.com',
  'release-assets.githubusercontent.com',
]);

/** `what` names the thing in the message. Throws an `ADDRESS_REFUSED` for any other place. */
export function allowedAddress(text: string, what: string, feed: URL, base?: URL): URL {
  if (!URL.canParse(text, base?.href)) throw refuse(`${what} is not at a URL`);
  const url = new URL(text, base);
  const problem = urlProblem(url.href);
  if (problem !== undefined) throw refuse(`the address of ${what} ${problem}`);
  // A feed out there must not make this worker ask programs on its own machine.
  if (isLoopback(url.hostname)) {
    if (isLoopback(feed.hostname)) return url;
    throw refuse(`${what} is said to be on this very machine, but the feed is not`);
  }
  // Whoever runs the feed decides what is installed anyway; another port of that host may be somebody else's.
  if (url.host === feed.host) return url;
  if (RELEASE_HOSTS.has(url.host)) return url;
  throw refuse(`${what} is at ${url.host}, where updates do not come from`);
}

function refuse(message: string): UpdateError {
  return new UpdateError('ADDRESS_REFUSED', message);
}
