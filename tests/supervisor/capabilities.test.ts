// What the worker says of itself, field by field.
import assert from 'node:assert/strict';
import test from 'node:test';
import { WorkerCapabilities } from '../../src/protocol/index.ts';
import { buildCapabilities, type CapabilityFacts } from '../../src/supervisor/capabilities.ts';
import type { EngineDescriptor } from '../../src/workers/types.ts';

const engine = (id: string, models: EngineDescriptor['models']): EngineDescriptor => ({
  id,
  kinds: Object.keys(models) as EngineDescriptor['kinds'],
  models,
  isolation: 'thread',
  moduleUrl: 'file:///engine.ts',
});

const facts: CapabilityFacts = {
  machineName: 'rig-01',
  username: 'alice',
  version: '0.5.0',
  label: undefined,
  vramTotalGb: 24,
  vramThresholdGb: 12,
  takesJobs: true,
  autoStart: false,
  autoUpdate: true,
  startMinimised: false,
  onlyWhenIdle: true,
  userPresence: 'active',
  engines: [
    engine('synthetic', { video: ['synthetic'], image: ['synthetic', 'synthetic-image'], llm: ['synthetic'] }),
    engine('sd-cpp', { image: ['sd-cpp:*', 'synthetic'] }),
    engine('mine', { llm: ['a:*'] }),
  ],
  slots: { image: 1, llm: 4, video: 1 },
};

const fields: [keyof WorkerCapabilities, unknown][] = [
  ['machineName', 'rig-01'],
  ['username', 'alice'],
  ['agentVersion', '0.5.0'],
  ['engine', 'multi'],
  ['vramTotalGb', 24],
  ['vramThresholdGb', 12],
  ['autoEnabled', true],
  ['autoStart', false],
  ['autoUpdate', true],
  ['startMinimised', false],
  ['onlyWhenIdle', true],
  ['userPresence', 'active'],
  ['supportedModels', ['a:*', 'sd-cpp:*', 'synthetic', 'synthetic-image']],
  ['taskKinds', ['image', 'llm', 'video']],
  [
    'supportedModelsPerKind',
    { image: ['synthetic', 'synthetic-image', 'sd-cpp:*'], llm: ['synthetic', 'a:*'], video: ['synthetic'] },
  ],
  ['features', ['multi-offer', 'progress', 'cancel', 'resume']],
  ['slots', { image: 1, llm: 4, video: 1 }],
];

const built = buildCapabilities(facts);

for (const [field, expected] of fields) {
  test(`${field} is what the contract says`, () => assert.deepEqual(built[field], expected));
}

test('nothing else is said; presence and label are absent while unknown', () => {
  assert.deepEqual(Object.keys(built).sort(), fields.map(([field]) => field).sort());
});

test('a label is passed on', () => {
  assert.equal(buildCapabilities({ ...facts, label: 'the quiet one' }).label, 'the quiet one');
});

test('a worker that takes no jobs says so', () => {
  assert.equal(buildCapabilities({ ...facts, takesJobs: false }).autoEnabled, false);
});

test('a worker without engines serves no kind', () => {
  const bare = buildCapabilities({ ...facts, engines: [], slots: {} });
  assert.deepEqual([bare.taskKinds, bare.supportedModels, bare.supportedModelsPerKind], [[], [], {}]);
});

test('a kind is served also by an engine that names no model for it', () => {
  const quiet: EngineDescriptor = { ...engine('quiet', {}), kinds: ['audio_tts'] };
  const said = buildCapabilities({ ...facts, engines: [quiet] });
  assert.deepEqual([said.taskKinds, said.supportedModelsPerKind], [['audio_tts'], { audio_tts: [] }]);
});

test('what is said can be read by a studio', () => {
  const arrived = JSON.parse(JSON.stringify(built));
  assert.deepEqual(JSON.parse(JSON.stringify(WorkerCapabilities.parse(arrived))), arrived);
});

test('a presence that is not known is left out', () => {
  assert.ok(!('userPresence' in buildCapabilities({ ...facts, userPresence: undefined })));
});
