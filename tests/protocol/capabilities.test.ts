// What a worker says of itself: which fields an older worker may leave out, and which it may not.
import assert from 'node:assert/strict';
import test from 'node:test';
import { WorkerCapabilities } from '../../src/protocol/index.ts';
import { capabilities } from './samples.ts';

const required = {
  machineName: 'm',
  username: 'u',
  agentVersion: '0.4.15',
  engine: 'multi',
  vramTotalGb: 0,
  vramThresholdGb: 0,
  autoEnabled: false,
  autoStart: false,
  supportedModels: [],
};

test('complete capabilities are read unchanged', () => {
  assert.deepEqual(WorkerCapabilities.parse(capabilities), capabilities);
});

const defaults = {
  autoUpdate: true,
  startMinimised: true,
  onlyWhenIdle: false,
  taskKinds: [],
  supportedModelsPerKind: {},
};

test('an older worker gets the defaults for what it does not say, and nothing more', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(WorkerCapabilities.parse(required))), { ...required, ...defaults });
});

test('null counts as unsaid', () => {
  const optional = [...Object.keys(defaults), 'userPresence', 'label', 'features', 'slots'];
  const nulls = Object.fromEntries(optional.map((key) => [key, null]));
  const parsed = WorkerCapabilities.parse({ ...required, ...nulls });
  assert.deepEqual(JSON.parse(JSON.stringify(parsed)), { ...required, ...defaults });
});

for (const key of Object.keys(required)) {
  test(`${key} is required`, () => {
    const { [key]: _, ...rest } = required as Record<string, unknown>;
    assert.equal(WorkerCapabilities.safeParse(rest).success, false);
  });
}

const wrong: [string, unknown][] = [
  ['userPresence', 'asleep'],
  ['taskKinds', ['hologram']],
  ['supportedModelsPerKind', { hologram: [] }],
  ['slots', { image: -1 }],
  ['slots', { image: 0.5 }],
  ['vramTotalGb', '24'],
];
for (const [key, value] of wrong) {
  test(`${key} of ${JSON.stringify(value)} is refused`, () => {
    assert.equal(WorkerCapabilities.safeParse({ ...required, [key]: value }).success, false);
  });
}
