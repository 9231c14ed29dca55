import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isNeeded, type Packages, packagesFor, type Target } from '../../scripts/bundle-contents.ts';

const LINUX: Target = { platform: 'linux', arch: 'x64', variant: 'plain' };
const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Packages;
};
const pathsFor = (target: Target): string[] => packagesFor(target, lock.packages).map(({ path }) => path);

test('packages are followed from what the program needs, past those of other platforms', () => {
  const packages: Packages = {
    '': { dependencies: { a: '1', b: '1' }, optionalDependencies: { gone: '1' } },
    'node_modules/a': {
      dependencies: { c: '1' },
      optionalDependencies: { 'a-linux-x64': '1', 'a-win32-x64': '1', 'a-any': '1' },
    },
    'node_modules/a/node_modules/c': {},
    'node_modules/b': {
      dependencies: { c: '1' },
      peerDependencies: { p: '1', q: '1' },
      peerDependenciesMeta: { q: { optional: true } },
    },
    'node_modules/c': { dependencies: { a: '1' } },
    'node_modules/p': {},
    'node_modules/q': {},
    'node_modules/dev': {},
    'node_modules/a-any': {},
    'node_modules/a-linux-x64': { os: ['linux'], cpu: ['x64'] },
    'node_modules/a-win32-x64': { os: ['win32'], cpu: ['x64'] },
  };
  assert.deepEqual(packagesFor(LINUX, packages), [
    { path: 'node_modules/a', optional: false },
    { path: 'node_modules/a-any', optional: true },
    { path: 'node_modules/a-linux-x64', optional: false },
    { path: 'node_modules/a/node_modules/c', optional: false },
    { path: 'node_modules/b', optional: false },
    { path: 'node_modules/c', optional: false },
    { path: 'node_modules/p', optional: false },
  ]);
});

test('a bundle has the engines of its platform, and nothing that only developers need', () => {
  const linux = pathsFor(LINUX);
  for (const path of [
    '@node-llama-cpp/linux-x64',
    '@node-llama-cpp/linux-x64-vulkan',
    '@fugood/node-whisper-linux-x64',
  ]) {
    assert.ok(linux.includes(`node_modules/${path}`), path);
  }
  const foreign = linux.filter((path) =>
    /cuda|arm64|armv7l|darwin|mac-|win32|\/win-|musl|typescript|biome|esbuild|pm2|openai|node_modules\/node$/.test(
      path,
    ),
  );
  assert.deepEqual(foreign, []);
  const cuda = pathsFor({ ...LINUX, variant: 'cuda' }).filter((path) => !linux.includes(path));
  assert.deepEqual(cuda, [
    'node_modules/@fugood/node-whisper-linux-x64-cuda',
    'node_modules/@node-llama-cpp/linux-x64-cuda',
    'node_modules/@node-llama-cpp/linux-x64-cuda-ext',
  ]);
  const mac = pathsFor({ platform: 'darwin', arch: 'arm64', variant: 'plain' });
  assert.ok(mac.includes('node_modules/@node-llama-cpp/mac-arm64-metal'));
  assert.ok(mac.includes('node_modules/sherpa-onnx-darwin-arm64'));
  assert.deepEqual(
    mac.filter((path) => /linux|\/win-|win32|x64/.test(path)),
    [],
  );
  const windows = pathsFor({ platform: 'win32', arch: 'x64', variant: 'plain' });
  assert.ok(windows.includes('node_modules/@node-llama-cpp/win-x64'));
  assert.deepEqual(
    windows.filter((path) => /linux|darwin|arm64|cuda/.test(path)),
    [],
  );
});

const files: readonly (readonly [file: string, needed: boolean])[] = [
  ['zod/index.js', true],
  ['zod/index.d.ts', false],
  ['zod/index.d.cts', false],
  ['zod/index.js.map', false],
  ['zod/README.md', false],
  ['zod/LICENSE.md', true],
  ['zod/LICENSE', true],
  ['sharp/THIRD-PARTY-NOTICES.md', true],
  ['onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1', true],
  ['onnxruntime-node/bin/napi-v6/linux/arm64/libonnxruntime.so.1', false],
  ['onnxruntime-node/bin/napi-v6/win32/x64/DirectML.dll', false],
  ['onnxruntime-node/dist/index.js', true],
];
for (const [file, needed] of files) {
  test(`${file} is ${needed ? 'in' : 'left out of'} a bundle for linux-x64`, () =>
    assert.equal(isNeeded(file, LINUX), needed));
}
