// Connections that read into one buffer: what arrives is what was sent, also when whoever takes it stops in the middle,
// over plain and over encrypted connections.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { Agent, type buildConnector } from 'undici';
import { type Inflow, openInflow } from '../../../src/engines/models/inflow.ts';
import { oneBufferConnector } from '../../../src/engines/network/one-buffer.ts';

const FILE = randomBytes(5_000_000);
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
const never = new AbortController().signal;

/** A shared key instead of a certificate: no file that expires, and nothing for a scanner of secrets to find. */
const KEY = randomBytes(32);
const SHARED = { ciphers: 'PSK-AES256-GCM-SHA384', maxVersion: 'TLSv1.2' } as const;
const OURS = { ...SHARED, pskCallback: () => ({ psk: KEY, identity: 'test' }), checkServerIdentity: () => undefined };

type Scene = AsyncDisposable & { readonly server: Server; get(path?: string, signal?: AbortSignal): Promise<Inflow> };

async function openScene(protocol: 'http' | 'https'): Promise<Scene> {
  const server = protocol === 'http' ? createServer() : createTlsServer({ ...SHARED, pskCallback: () => KEY });
  server.on('request', (request, response) => {
    if (request.url === '/chunked') {
      response.write(FILE.subarray(0, 1_000_000));
      return void response.end(FILE.subarray(1_000_000));
    }
    response.writeHead(200, { 'content-length': FILE.byteLength });
    if (request.url !== '/cut') return void response.end(FILE);
    response.write(FILE.subarray(0, 1_000_000), () => response.socket?.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new Agent({ connect: oneBufferConnector(OURS as buildConnector.BuildOptions) });
  const base = `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    server,
    get: (path = '/', signal = never) => openInflow(new URL(path, base), { agent, signal, headers: {} }),
    async [Symbol.asyncDispose]() {
      await agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

for (const protocol of ['http', 'https'] as const) {
  describe(`a file over ${protocol}`, () => {
    test('arrives as it was sent, one after the other on one connection', async () => {
      await using scene = await openScene(protocol);
      let connections = 0;
      scene.server.on(protocol === 'http' ? 'connection' : 'secureConnection', () => (connections += 1));
      for (const path of ['/', '/chunked']) {
        const answer = await scene.get(path);
        assert.equal(answer.statusCode, 200);
        const hash = createHash('sha256');
        await answer.pour((piece) => void hash.update(piece));
        assert.equal(hash.digest('hex'), sha256(FILE));
        // The connection is free for the next request a moment later.
        await new Promise(setImmediate);
      }
      assert.equal(connections, 1);
    });

    test('arrives as it was sent when its taker is slow', async () => {
      await using scene = await openScene(protocol);
      const answer = await scene.get();
      // More than the first pieces is under way before anybody wants the body.
      await new Promise(setImmediate);
      const pieces: Buffer[] = [];
      let waiting = false;
      await answer.pour((piece) => {
        assert.equal(waiting, false, 'a piece came while the taker was not ready');
        pieces.push(Buffer.from(piece));
        if (pieces.length % 3 !== 0) return undefined;
        waiting = true;
        return new Promise<void>((ready) => {
          setImmediate(() => {
            waiting = false;
            ready();
          });
        });
      });
      assert.equal(sha256(Buffer.concat(pieces)), sha256(FILE));
    });

    test('that breaks off hands on all that came', async () => {
      await using scene = await openScene(protocol);
      const answer = await scene.get('/cut');
      let bytes = 0;
      const poured = answer.pour((piece) => {
        bytes += piece.byteLength;
        return bytes % 2 === 0 ? undefined : new Promise<void>(setImmediate);
      });
      await assert.rejects(poured);
      assert.equal(bytes, 1_000_000);
    });

    test('ends with the reason of its taker, of an abort, or of nobody wanting it', async () => {
      await using scene = await openScene(protocol);
      const full = (await scene.get()).pour(() => Promise.reject(new Error('the disk is full')));
      await assert.rejects(full, /the disk is full/);
      const controller = new AbortController();
      const cancelled = (await scene.get('/', controller.signal)).pour(() => {
        controller.abort(new Error('enough'));
        return undefined;
      });
      await assert.rejects(cancelled, /enough/);
      const unwanted = await scene.get();
      unwanted.close();
      await assert.rejects(
        unwanted.pour(() => undefined),
        /not wanted/,
      );
      await assert.rejects(scene.get('/', AbortSignal.abort(new Error('never begun'))), /never begun/);
    });
  });
}
