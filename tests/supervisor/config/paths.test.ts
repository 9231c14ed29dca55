import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  defaultConfigPath,
  defaultModelsRoot,
  type PathContext,
  resolvePath,
  siblingPaths,
} from '../../../src/supervisor/config/paths.ts';

function on(platform: NodeJS.Platform, env: Record<string, string> = {}, homedir = '/home/ada'): PathContext {
  return { platform, env, homedir, tmpdir: platform === 'win32' ? 'C:\\Temp' : '/tmp' };
}

test('the config file has its place on every platform', () => {
  const cases: [PathContext, string][] = [
    [on('linux'), '/home/ada/.config/minis-studio-worker/config.toml'],
    [on('linux', { XDG_CONFIG_HOME: '/xdg' }), '/xdg/minis-studio-worker/config.toml'],
    [on('linux', { XDG_CONFIG_HOME: '' }), '/home/ada/.config/minis-studio-worker/config.toml'],
    [on('linux', { XDG_CONFIG_HOME: 'relative' }), '/home/ada/.config/minis-studio-worker/config.toml'],
    [on('darwin', {}, '/Users/ada'), '/Users/ada/.config/minis-studio-worker/config.toml'],
    [on('darwin', { XDG_CONFIG_HOME: '/xdg' }, '/Users/ada'), '/xdg/minis-studio-worker/config.toml'],
    [
      on('win32', { APPDATA: 'C:\\Users\\ada\\AppData\\Roaming' }, 'C:\\Users\\ada'),
      'C:\\Users\\ada\\AppData\\Roaming\\minis-studio-worker\\config.toml',
    ],
    [on('win32', {}, 'C:\\Users\\ada'), 'C:\\Users\\ada\\AppData\\Roaming\\minis-studio-worker\\config.toml'],
  ];
  for (const [context, expected] of cases) assert.equal(defaultConfigPath(context), expected);
});

test('models lie in the home folder, or among temporary files when there is none', () => {
  assert.equal(defaultModelsRoot(on('linux')), '/home/ada/models');
  assert.equal(defaultModelsRoot(on('linux', {}, '')), '/tmp/studio-worker-models');
  assert.equal(defaultModelsRoot(on('win32', {}, 'C:\\Users\\ada')), 'C:\\Users\\ada\\models');
});

test('a path may begin with ~ or be relative to the config', () => {
  const cases: [given: string, platform: NodeJS.Platform, homedir: string, expected: string][] = [
    ['~', 'linux', '/home/ada', '/home/ada'],
    ['~/big/models', 'linux', '/home/ada', '/home/ada/big/models'],
    ['~other/models', 'linux', '/home/ada', '/etc/sw/~other/models'],
    ['models', 'linux', '/home/ada', '/etc/sw/models'],
    ['/data/models', 'linux', '/home/ada', '/data/models'],
    ['~/models', 'linux', '', '/etc/sw/~/models'],
    ['~\\models', 'linux', '/home/ada', '/etc/sw/~\\models'],
  ];
  for (const [given, platform, homedir, expected] of cases) {
    assert.equal(resolvePath(given, '/etc/sw', on(platform, {}, homedir)), expected, given);
  }
  assert.equal(resolvePath('~\\models', 'C:\\sw', on('win32', {}, 'C:\\Users\\ada')), 'C:\\Users\\ada\\models');
  assert.equal(resolvePath('D:\\models', 'C:\\sw', on('win32', {}, 'C:\\Users\\ada')), 'D:\\models');
});

test('everything a worker keeps lies beside its config', () => {
  const linux = siblingPaths('/etc/sw/a.toml', 'linux');
  assert.equal(linux.dir, '/etc/sw');
  assert.equal(linux.lock, '/etc/sw/daemon.lock');
  assert.equal(linux.pid, '/etc/sw/daemon.pid');
  assert.equal(linux.outbox, '/etc/sw/outbox');
  assert.equal(linux.logs, '/etc/sw/logs');
  for (const each of Object.values(siblingPaths('C:\\sw\\a.toml', 'win32'))) assert.ok(each.startsWith('C:\\sw'), each);
});
