// A stand-in for Sentry's server: takes envelopes and keeps the events in them.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Happenings } from '../e2e/until.ts';

export type SentryEvent = {
  message?: string;
  exception?: { values: { type: string; value: string }[] };
  tags?: Record<string, string>;
  extra?: Record<string, string>;
  fingerprint?: string[];
  breadcrumbs?: { message: string }[];
  environment: string;
  release: string;
  server_name: string;
};

/** With `answers: false` it never says anything, like a firewall. */
export async function openSentryEndpoint({ answers = true } = {}) {
  const envelopes: string[] = [];
  const events = new Happenings<SentryEvent>();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      envelopes.push(body);
      // A header line, an item's header line, and the item.
      events.push(JSON.parse(body.split('\n')[2] ?? '') as SentryEvent);
      if (answers) response.end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    dsn: `http://publickey@127.0.0.1:${port}/42`,
    envelopes,
    events,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
