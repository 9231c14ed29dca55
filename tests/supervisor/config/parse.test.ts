import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError, parseConfig } from '../../../src/supervisor/config/parse.ts';
import type { PathContext } from '../../../src/supervisor/config/paths.ts';

const context: PathContext = { platform: 'linux', env: {}, homedir: '/home/ada', tmpdir: '/tmp' };
const parse = (text: string) => parseConfig(text, '/etc/sw/config.toml', '/etc/sw', context);

test('an empty file is a config of defaults', () => {
  const { config, warnings } = parse('');
  assert.deepEqual(warnings, []);
  assert.equal(config.apiBaseUrl, 'https://studio.minis.gg/');
  assert.equal(config.vramThresholdGb, 12);
  assert.equal(config.autoEnabled, true);
  assert.equal(config.onlyWhenIdle, false);
  assert.equal(config.autoUpdateIntervalSecs, 1800);
  assert.equal(config.modelsRoot, '/home/ada/models');
  assert.equal(config.wsReconnectAttempts, 5);
  assert.equal(config.registrationPollSecs, 30);
  assert.equal(config.shutdownGraceSecs, 30);
  assert.equal(config.keepAliveSecs, 300);
  assert.equal(config.vramMarginGb, 1);
  assert.equal(config.workerId, undefined);
  assert.deepEqual(config.pools.image, { vramGb: 12, threads: 1, concurrency: 1 });
  assert.deepEqual(config.pools.llm, { vramGb: 12, threads: 1, concurrency: 4 });
  assert.deepEqual(config.logging, { dir: '/etc/sw/logs', level: 'info', maxSize: '10m', maxAgeDays: 7, keep: 5 });
  assert.deepEqual(config.engines, []);
});

test('a config is frozen all the way down', () => {
  const { config } = parse('[[engines]]\nid = "mine"\nmodule = "mine.js"\nkinds = ["llm"]\n');
  for (const value of [config, config.pools, config.pools.llm, config.logging, config.engines, config.engines[0]]) {
    assert.ok(Object.isFrozen(value));
  }
});

test('pool budgets follow the threshold unless they are set', () => {
  const { config } = parse('vram_threshold_gb = 20\n[pools.image]\nvram_gb = 8.5\nthreads = 2\n');
  assert.deepEqual(config.pools.image, { vramGb: 8.5, threads: 2, concurrency: 1 });
  assert.equal(config.pools.video.vramGb, 20);
});

test('paths are made absolute, an engine module relative to the file', () => {
  const { config } = parse(`models_root = "~/m"
[logging]
dir = "/var/log/sw"
[[engines]]
id = "mine"
module = "engines/mine.ts"
kinds = ["image", "video"]
load_stall_secs = 5
[[engines]]
id = "yours"
module = "/opt/yours.js"
kinds = ["llm"]
models = ["tiny"]
isolation = "thread"
`);
  assert.equal(config.modelsRoot, '/home/ada/m');
  assert.equal(config.logging.dir, '/var/log/sw');
  assert.deepEqual(config.engines, [
    {
      id: 'mine',
      kinds: ['image', 'video'],
      models: { image: ['mine:*'], video: ['mine:*'] },
      isolation: 'process',
      moduleUrl: 'file:///etc/sw/engines/mine.ts',
      loadStallMs: 5000,
    },
    { id: 'yours', kinds: ['llm'], models: { llm: ['tiny'] }, isolation: 'thread', moduleUrl: 'file:///opt/yours.js' },
  ]);
});

test('an empty text is an absent one', () => {
  const { config } = parse('worker_id = ""\nauth_token = "  "\nlabel = " rig 1 "\n');
  assert.equal(config.workerId, undefined);
  assert.equal(config.authToken, undefined);
  assert.equal(config.label, 'rig 1');
});

test('a wrong value is named by its key, with the rule, without the value', () => {
  const cases: [text: string, problem: string][] = [
    ['worker_id = "../../x"', 'worker_id must be an id without path characters'],
    ['auth_token = "two\\nlines"', 'auth_token must be visible ASCII characters'],
    ['only_engines = "onnx"', 'only_engines must be a list of engine ids'],
    ['vram_threshold_gb = -1', 'vram_threshold_gb must be 0 or more'],
    ['vram_threshold_gb = nan', 'vram_threshold_gb must be a finite number, 0 or more'],
    ['vram_threshold_gb = inf', 'vram_threshold_gb must be a finite number, 0 or more'],
    ['vram_threshold_gb = "much"', 'vram_threshold_gb must be a finite number, 0 or more'],
    ['auto_enabled = "yes"', 'auto_enabled must be true or false'],
    ['auto_update_interval_secs = 59', 'auto_update_interval_secs must be a whole number, 60 or more'],
    ['ws_reconnect_attempts = -1', 'ws_reconnect_attempts must be a whole number, 0 or more'],
    ['ws_reconnect_attempts = 1.5', 'ws_reconnect_attempts must be a whole number, 0 or more'],
    ['local_api_port = 65536', 'local_api_port must be a whole number from 1 to 65535'],
    ['registration_poll_secs = 0.5', 'registration_poll_secs must be 1 or more'],
    ['keep_alive_secs = nan', 'keep_alive_secs must be a finite number (negative: for ever)'],
    ['models_root = ""', 'models_root must not be empty'],
    ['auth_token = 17', 'auth_token must be a text in quotes'],
    ['api_base_url = "http://example.com"', 'api_base_url must use https:// '],
    ['auto_update_feed = "http://example.com"', 'auto_update_feed must use https:// '],
    ['[pools.llm]\nthreads = 17', 'pools.llm.threads must be a whole number from 1 to 16'],
    ['[pools.llm]\nconcurrency = 0', 'pools.llm.concurrency must be a whole number from 1 to 64'],
    ['[pools.llm]\ndevice = -1', 'pools.llm.device must be a whole number from 0 to 63'],
    ['[pools.llm]\ndevice = "0"', 'pools.llm.device must be a whole number from 0 to 63'],
    ['[pools.llm]\ngpu = "rocm"', 'pools.llm.gpu must be auto, cuda, vulkan, metal or cpu'],
    ['[pools.llm]\ndevice = 1\ngpu = "cpu"', 'pools.llm.device names a GPU, and this pool computes on the CPU'],
    ['[pools.llm]\nvram_gb = -2', 'pools.llm.vram_gb must be 0 or more'],
    ['[logging]\nlevel = "loud"', 'logging.level must be trace, debug, info, warn or error'],
    ['[logging]\nmax_size = "10 MB"', 'logging.max_size must be a size such as "10m" (k, m or g)'],
    ['[logging]\nkeep = 0', 'logging.keep must be a whole number from 1 to 100'],
    ['[[engines]]\nid = "Bad Id"\nmodule = "m"\nkinds = ["llm"]', 'engines.0.id must be a lower-case engine id'],
    ['[[engines]]\nid = "ok"\nmodule = "m"\nkinds = ["poetry"]', 'engines.0.kinds.0 must be of image, llm'],
    ['[[engines]]\nid = "ok"\nmodule = "m"\nkinds = []', 'engines.0.kinds must name at least one kind'],
  ];
  for (const [text, problem] of cases) {
    assert.throws(
      () => parse(text),
      (thrown: unknown) => {
        assert.ok(thrown instanceof ConfigError);
        assert.equal(thrown.code, 'CONFIG_INVALID');
        assert.ok(thrown.message.startsWith('/etc/sw/config.toml: '), thrown.message);
        assert.ok(thrown.message.includes(problem), `${thrown.message} should say ${problem}`);
        return true;
      },
    );
  }
});

test('broken TOML is named by line and column, and nothing of the file is quoted', () => {
  const secret = 'c0ffee-c0ffee-c0ffee';
  const cases: [text: string, at: string][] = [
    [`auth_token = "${secret}\n`, ':1:'],
    [`a = 1\nauth_token = ${secret}\n`, ':2:'],
    [`a = 1\n${secret}\n`, ':2:'],
    [`auth_token = "${secret}"\nauth_token = "${secret}"\n`, ':2:'],
    [`[${secret}\n`, ':1:'],
    [`d = 2020-13-45T${secret}\n`, ':1:'],
  ];
  for (const [text, at] of cases) {
    assert.throws(
      () => parse(text),
      (thrown: unknown) => {
        assert.ok(thrown instanceof ConfigError);
        assert.ok(thrown.message.startsWith(`/etc/sw/config.toml${at}`), thrown.message);
        assert.ok(!thrown.message.includes('c0ffee'), thrown.message);
        assert.equal(thrown.cause, undefined);
        assert.ok(!(thrown.stack ?? '').includes('c0ffee'));
        return true;
      },
    );
  }
});

test('unknown keys are named once each; those of old versions are passed over', () => {
  const { config, warnings } = parse(`vram_treshold_gb = 8
engine = "old"
engines = "older"
gradio_endpoint_url = "x"
supported_models_override = []
bootstrap_token = "x"
[pools.images]
vram_gb = 1
[pools.llm]
vram = 2
[logging]
files = 3
`);
  assert.deepEqual(config.engines, []);
  assert.deepEqual(warnings, [
    '/etc/sw/config.toml: unknown keys, not used: vram_treshold_gb, pools.images, pools.llm.vram, logging.files',
  ]);
});
