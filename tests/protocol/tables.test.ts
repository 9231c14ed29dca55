// The small tables of the contract: close codes, content types, ids, registration.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  API_PREFIX,
  CloseCode,
  closeCodeOf,
  ErrorCode,
  FEATURES,
  FRAME_BYTES_MAX,
  Id,
  isSafeId,
  mimeForExt,
  RegisterCreated,
  RegisterRequest,
  RegisterStatus,
  SUBPROTOCOL,
} from '../../src/protocol/index.ts';
import { capabilities } from './samples.ts';

test('the constants are those of the contract', () => {
  assert.equal(SUBPROTOCOL, 'studio-worker-v1');
  assert.equal(API_PREFIX, '/graphics/api');
  assert.equal(FRAME_BYTES_MAX, 33_554_432);
  assert.deepEqual(FEATURES, ['multi-offer', 'progress', 'cancel', 'resume']);
  assert.deepEqual(CloseCode, {
    normal: 1000,
    authFailed: 4001,
    protocolViolation: 4002,
    duplicateWorker: 4003,
    workerDeleted: 4004,
  });
});

test('every error code has its close code', () => {
  assert.deepEqual(
    ErrorCode.options.map((code) => [code, closeCodeOf(code)]),
    [
      ['auth_failed', 4001],
      ['protocol_violation', 4002],
      ['duplicate_worker', 4003],
      ['worker_deleted', 4004],
      ['internal_error', 1000],
    ],
  );
});

const types: [string, string][] = [
  ['png', 'image/png'],
  ['webp', 'image/webp'],
  ['gif', 'image/gif'],
  ['wav', 'audio/wav'],
  ['mp3', 'audio/mpeg'],
  ['mp4', 'video/mp4'],
  ...['jpg', 'bmp', '', 'PNG', '.png', 'png ', 'constructor', '__proto__', 'toString'].map((ext): [string, string] => [
    ext,
    'application/octet-stream',
  ]),
];
for (const [ext, type] of types) {
  test(`a result with extension ${JSON.stringify(ext)} is ${type}`, () => assert.equal(mimeForExt(ext), type));
}

test('an id needs no escaping in a URL path, and is never a step between folders', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\w.:~/-]{1,130}$/)), (text) => {
      const safe = isSafeId(text);
      assert.equal(Id.safeParse(text).success, safe);
      if (!safe) return;
      assert.equal(new URL(`http://h/a/${text}/b`).pathname, `/a/${text}/b`);
      assert.ok(text.length >= 1 && text.length <= 128);
    }),
    { numRuns: 500 },
  );
  for (const other of ['', '.', '..', 'a/b', 'x'.repeat(129), 7, undefined, null]) assert.equal(isSafeId(other), false);
});

const request = {
  installId: '9b1d6a52-77aa-41f0-8a53-0f7b1d0c2e11',
  registrationSecretHash: 'ab'.repeat(32),
  capabilities,
  userAgent: 'studio-worker/0.5.0',
};

test('a register request may carry a label, and leaves it out otherwise', () => {
  assert.deepEqual(RegisterRequest.parse({ ...request, label: 'rig' }), { ...request, label: 'rig' });
  assert.deepEqual(JSON.parse(JSON.stringify(RegisterRequest.parse({ ...request, label: null }))), request);
});

for (const [key, value] of [
  ['installId', '../x'],
  ['registrationSecretHash', 'AB'.repeat(32)],
  ['registrationSecretHash', 'ab'.repeat(31)],
  ['userAgent', null],
  ['capabilities', {}],
] as const) {
  test(`a register request with ${key} ${JSON.stringify(value)} is refused`, () => {
    assert.equal(RegisterRequest.safeParse({ ...request, [key]: value }).success, false);
  });
}

const statuses: [unknown, unknown][] = [
  [{ status: 'pending' }, { status: 'pending' }],
  [
    { status: 'approved', workerId: 'w-1', authToken: 't' },
    { status: 'approved', workerId: 'w-1', authToken: 't' },
  ],
  [{ status: 'approved', workerId: 'w-1' }, undefined],
  [{ status: 'approved', authToken: 't' }, undefined],
  [{ status: 'approved', workerId: '', authToken: 't' }, undefined],
  [{ status: 'approved', workerId: 'w-1', authToken: '' }, undefined],
  [
    { status: 'rejected', reason: 'no' },
    { status: 'rejected', reason: 'no' },
  ],
  [{ status: 'rejected' }, { status: 'rejected', reason: '' }],
  [
    { status: 'rejected', reason: null },
    { status: 'rejected', reason: '' },
  ],
  [{ status: 'lost' }, undefined],
  [undefined, undefined],
  ['<html>', undefined],
];
for (const [answer, expected] of statuses) {
  test(`the poll answer ${JSON.stringify(answer)} is ${expected === undefined ? 'refused' : 'read'}`, () => {
    assert.deepEqual(RegisterStatus.safeParse(answer).data, expected);
  });
}

test('a created request has an id that can stand in the poll address', () => {
  assert.deepEqual(RegisterCreated.parse({ requestId: 'rr-1', status: 'pending' }), {
    requestId: 'rr-1',
    status: 'pending',
  });
  for (const wrong of [{ requestId: '../x', status: 'pending' }, { requestId: 'rr-1' }, undefined]) {
    assert.equal(RegisterCreated.safeParse(wrong).success, false);
  }
});
