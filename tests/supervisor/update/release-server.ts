// A feed of releases with their files on this machine, whose every answer a test can replace.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

export type Handler = (response: ServerResponse, request: IncomingMessage) => void;

export type ReleaseServer = AsyncDisposable & {
  readonly base: string;
  readonly feed: string;
  /** Paths that were asked for, in order. */
  readonly asked: { readonly path: string; readonly headers: IncomingMessage['headers'] }[];
  /** A release with this file as its only asset; `changes` go over the feed's entry. */
  publish(version: string, file?: string, changes?: { assets?: object[]; [key: string]: unknown }): Promise<void>;
  /** Another answer for a path from now on; undefined takes it away again. */
  answer(path: string, handler: Handler | undefined): void;
};

export async function releaseServer(): Promise<ReleaseServer> {
  const releases: object[] = [];
  const files = new Map<string, string>();
  const handlers = new Map<string, Handler>();
  const asked: ReleaseServer['asked'] = [];
  const server = createServer(async (request, response) => {
    const where = new URL(request.url ?? '/', 'http://x').pathname;
    asked.push({ path: where, headers: request.headers });
    const handler = handlers.get(where);
    if (handler !== undefined) return handler(response, request);
    if (where === '/releases')
      return response.setHeader('content-type', 'application/json').end(JSON.stringify(releases));
    const file = files.get(where.replace(/\.sha256$/, ''));
    if (file === undefined) return response.writeHead(404).end('not here');
    if (where.endsWith('.sha256')) {
      const digest = createHash('sha256')
        .update(await readFile(file))
        .digest('hex');
      return response.end(`${digest}  ${path.basename(file)}\n`);
    }
    response.setHeader('content-length', (await stat(file)).size);
    createReadStream(file).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    base,
    feed: `${base}/releases`,
    asked,
    async publish(version, file, changes = {}) {
      const assets: object[] = [];
      if (file !== undefined) {
        const name = path.basename(file);
        files.set(`/${version}/${name}`, file);
        assets.push({ name, browser_download_url: `${base}/${version}/${name}`, size: (await stat(file)).size });
      }
      releases.unshift({ tag_name: `v${version}`, draft: false, prerelease: false, assets, ...changes });
    },
    answer(where, handler) {
      if (handler === undefined) handlers.delete(where);
      else handlers.set(where, handler);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
