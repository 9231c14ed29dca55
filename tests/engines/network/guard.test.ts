// Which addresses may be asked, by tables, and that a connection goes to the very address that was looked at.
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { describe, test } from 'node:test';
import type { NetworkPolicy } from '../../../src/engines/engine.ts';
import { type AddressKind, addressKind, isVouchedFor, mayConnect } from '../../../src/engines/network/address.ts';
import { guardedLookup, openGuardedAgent } from '../../../src/engines/network/guarded-agent.ts';
import { guardedGet } from '../../../src/engines/network/guarded-get.ts';
import { allowedUrl, lastingUrl, publicUrl } from '../../../src/engines/network/url-rule.ts';

const STRICT: NetworkPolicy = { allowLoopback: false, allowedHosts: [] };
const LOCAL: NetworkPolicy = { allowLoopback: true, allowedHosts: [] };
const VOUCHED: NetworkPolicy = { allowLoopback: false, allowedHosts: ['nas.lan', '[fd00::1]', '10.0.0.9'] };

const KINDS: [AddressKind, string[]][] = [
  ['public', ['1.1.1.1', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::1.1.1.1']],
  ['loopback', ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '64:ff9b::127.0.0.1']],
  [
    'private',
    [
      ...[
        '10.0.0.1',
        '172.16.0.1',
        '192.168.0.1',
        '169.254.169.254',
        '100.64.0.1',
        '0.0.0.0',
        '255.255.255.255',
        '224.0.0.1',
      ],
      ...[
        'fe80::1',
        'fe80::1%eth0',
        'fd00:ec2::254',
        '::',
        'ff02::1',
        '::ffff:10.0.0.1',
        '64:ff9b::10.0.0.1',
        '2002:a00:1::',
        '2001:0:1::',
      ],
      ...['', 'localhost', 'example.com', '1.1.1'],
    ],
  ],
];
for (const [kind, addresses] of KINDS) {
  test(`addresses that are ${kind}`, () => {
    for (const address of addresses.filter((one) => one !== '1.1.1')) assert.equal(addressKind(address), kind, address);
  });
}

test('an address may be connected to by policy, by name or by being public', () => {
  assert.equal(mayConnect('127.0.0.1', 'x.example', STRICT), false);
  assert.equal(mayConnect('127.0.0.1', 'x.example', LOCAL), true);
  assert.equal(mayConnect('10.0.0.1', 'x.example', LOCAL), false);
  assert.equal(mayConnect('10.0.0.1', 'nas.lan', VOUCHED), true);
  // A name server that says localhost is elsewhere is wrong or worse.
  assert.equal(mayConnect('1.1.1.1', 'localhost', LOCAL), false);
  assert.ok(
    isVouchedFor('NAS.lan', VOUCHED) && isVouchedFor('[FD00::1]', VOUCHED) && isVouchedFor('10.0.0.9', VOUCHED),
  );
  assert.equal(isVouchedFor('evil-nas.lan', VOUCHED), false);
});

test('URLs are judged before any name is resolved', () => {
  const ok: [string, NetworkPolicy][] = [
    ['https://example.com/a', STRICT],
    ['https://1.1.1.1/', STRICT],
    ['http://localhost:1/', LOCAL],
    ['http://127.1/', LOCAL],
    ['http://[::1]:8/', LOCAL],
    ['http://api.localhost/', LOCAL],
    ['https://10.0.0.9/', VOUCHED],
    ['https://[fd00::1]/', VOUCHED],
  ];
  for (const [url, policy] of ok) assert.equal(allowedUrl(url, 'it', policy).href, new URL(url).href);
  const wrong: [string, NetworkPolicy][] = [
    ['http://example.com/', LOCAL],
    ['http://localhost/', STRICT],
    ['https://localhost/', STRICT],
    ['http://0x7f000001/', STRICT],
    ['http://2130706433/', STRICT],
    ['https://[::ffff:10.0.0.1]/', LOCAL],
    ['http://10.0.0.9/', VOUCHED],
    ['https://10.0.0.8/', VOUCHED],
    ['data:text/plain,x', LOCAL],
    ['ftp://127.0.0.1/', LOCAL],
    ['https://user@example.com/', LOCAL],
    ['example.com/x', LOCAL],
  ];
  for (const [url, policy] of wrong)
    assert.throws(() => allowedUrl(url, 'it', policy), { code: 'ADDRESS_REFUSED', retryable: false }, url);
});

describe('a name', () => {
  const answering = (...addresses: string[]) =>
    ((_host: string, _options: object, done: (error: null, found: LookupAddress[]) => void) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )) as never;
  const ask = (policy: NetworkPolicy, all: boolean, ...addresses: string[]) =>
    new Promise<unknown>((resolve, reject) => {
      guardedLookup(policy, answering(...addresses))('x.example', { all }, (error, found, family) =>
        error ? reject(error) : resolve(all ? found : [found, family]),
      );
    });

  test('is connected to only at those of its addresses that are allowed', async () => {
    assert.deepEqual(await ask(STRICT, true, '10.0.0.1', '1.1.1.1', '::1'), [{ address: '1.1.1.1', family: 4 }]);
    assert.deepEqual(await ask(STRICT, false, '10.0.0.1', '2606::1'), ['2606::1', 6]);
  });
  test('without an allowed address is refused for good', async () => {
    await assert.rejects(ask(STRICT, true, '10.0.0.1', '127.0.0.1'), {
      code: 'ADDRESS_REFUSED',
      message: /x\.example.*allowed_hosts/,
    });
    await assert.rejects(ask(LOCAL, false), { code: 'ADDRESS_REFUSED' });
  });
  test('is looked at by real connections too', async (context) => {
    const { address } = await lookup(hostname()).catch(() => ({ address: '1.1.1.1' }));
    if (addressKind(address) === 'public') return context.skip('this machine’s name leads to no private address');
    const agent = openGuardedAgent(STRICT);
    const get = { agent, network: STRICT, what: 'it', signal: new AbortController().signal };
    await assert.rejects(guardedGet(`https://${hostname()}:9/`, get), { code: 'ADDRESS_REFUSED' });
    await agent.destroy();
  });
});

test('a URL is written down without what is secret in it', () => {
  assert.equal(publicUrl('https://u:p@h.example:1/a?token=x#y'), 'https://h.example:1/a');
  assert.equal(publicUrl('nothing'), '(not a URL)');
  assert.equal(
    lastingUrl('https://u:p@h/a?id=5&X-Amz-Signature=s&Expires=1&Key-Pair-Id=k&token=t&sv=2#f'),
    'https://h/a?id=5',
  );
  assert.equal(lastingUrl('nothing'), '');
});
