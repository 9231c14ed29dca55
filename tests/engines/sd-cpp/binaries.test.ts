// Where the binaries come from: looked for, installed, asked for their devices, and refused where they would disappoint.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { zip } from '../../../fixtures/sd-cpp/zip.ts';
import { binaryEnv } from '../../../src/engines/sd-cpp/binary-env.ts';
import { chooseBackend, parseDevices } from '../../../src/engines/sd-cpp/devices.ts';
import { candidates, findBinaries, type Places } from '../../../src/engines/sd-cpp/find-binary.ts';
import { probe } from '../../../src/engines/sd-cpp/probe.ts';
import { isOutdated, provision } from '../../../src/engines/sd-cpp/provision.ts';
import { assetUrl, releaseFor } from '../../../src/engines/sd-cpp/release.ts';
import { readCapabilities } from '../../../src/engines/sd-cpp/server.ts';
import { checkVulkan, type VulkanCheck } from '../../../src/engines/sd-cpp/vulkan.ts';
import { engineSettings } from '../../workers/rig.ts';
import { bytesOf, hearing, imageTask, openScene, otherBinary } from './scene.ts';

process.env.STAND_IN_NODE = process.execPath;

test('the places of a binary, best first', () => {
  const places: Places = { env: { PATH: '/a:/b:' }, modelsRoot: '/m', home: '/h', platform: 'linux' };
  const expected = ['/m/bin/sd-cli', '/h/.local/bin/sd-cli', '/a/sd-cli', '/b/sd-cli'];
  assert.deepEqual(candidates('sd-cli', places), expected);
  assert.equal(candidates('sd-server', { ...places, platform: 'win32' })[0], '/m/bin/sd-server.exe');
});

test('binaries are found in that order, and what the operator names must be right', async () => {
  await using scene = await openScene();
  const folder = (name: string) => join(scene.root, name);
  const own = await otherBinary(folder('own'), 'sd-cli', {});
  const ownServer = await otherBinary(folder('own2'), 'sd-server', {});
  const installed = await otherBinary(folder('m/bin'), 'sd-cli', {});
  const onPath = await otherBinary(folder('path'), 'sd-server', {});
  const places = (env: Record<string, string>): Places => ({
    ...{ env: { PATH: folder('path'), ...env }, modelsRoot: folder('m'), home: folder('home'), platform: 'linux' },
  });
  assert.deepEqual(await findBinaries(places({})), { cli: installed, server: onPath });
  // Another version of the server would not be what the operator asked for.
  assert.deepEqual(await findBinaries(places({ STUDIO_WORKER_SD_CLI: own })), { cli: own });
  const both = { STUDIO_WORKER_SD_CLI: own, STUDIO_WORKER_SD_SERVER: ownServer };
  assert.deepEqual(await findBinaries(places(both)), { cli: own, server: ownServer });
  await assert.rejects(findBinaries(places({ STUDIO_WORKER_SD_CLI: '/nowhere/sd-cli' })), {
    code: 'ENGINE_UNAVAILABLE',
    message: /STUDIO_WORKER_SD_CLI names `\/nowhere\/sd-cli`, which is not an executable file/,
  });
});

test('a binary sees no secrets, and its own libraries', () => {
  const env = { PATH: '/a', HF_TOKEN: 'x', STUDIO_KEY: 'x', LD_LIBRARY_PATH: '/l', NOTHING: undefined };
  const place = { file: '/b/sd-cli', hasLibrary: true, platform: 'linux' } as const;
  const shared = { PATH: '/a', GGML_NO_BACKTRACE: '1' };
  assert.deepEqual(binaryEnv(env, place), { ...shared, LD_LIBRARY_PATH: '/b:/l' });
  assert.deepEqual(binaryEnv(env, { ...place, hasLibrary: false }), { ...shared, LD_LIBRARY_PATH: '/l' });
  assert.equal(binaryEnv(env, { ...place, device: 1 }).CUDA_VISIBLE_DEVICES, '1');
  assert.equal(binaryEnv({}, { ...place, platform: 'darwin' }).DYLD_LIBRARY_PATH, '/b');
});

describe('the device', () => {
  const gpus = parseDevices('[INFO ] x\nCPU\tAMD EPYC\nVulkan0\tNVIDIA RTX 4090\nCUDA0\tNVIDIA RTX 4090\n');
  const cpu = parseDevices('CPU\tAMD EPYC\r\n');

  test('is the one that the operator wants', () => {
    assert.deepEqual(
      gpus.map(({ name }) => name),
      ['CPU', 'Vulkan0', 'CUDA0'],
    );
    assert.deepEqual(chooseBackend('auto', gpus, 'v'), { name: 'Vulkan0', isCpu: false });
    assert.deepEqual(chooseBackend('cuda', gpus, 'v'), { name: 'CUDA0', flag: 'CUDA0', isCpu: false });
    assert.deepEqual(chooseBackend('cpu', gpus, 'v'), { name: 'cpu', flag: 'cpu', isCpu: true });
    assert.deepEqual(chooseBackend('auto', cpu, 'v'), { name: 'cpu', isCpu: true });
    assert.deepEqual(chooseBackend('auto', undefined, 'v'), { name: 'unknown', isCpu: false });
  });

  test('is never the CPU where a GPU was demanded', () => {
    for (const [gpu, devices, message] of [
      ['vulkan', cpu, /`gpu = "vulkan"` is set, .*has no vulkan device; it lists: CPU \(AMD EPYC\)/],
      ['metal', gpus, /has no metal device/],
      ['cuda', undefined, /too old to say/],
    ] as const) {
      assert.throws(() => chooseBackend(gpu, devices, 'v'), { code: 'ENGINE_UNAVAILABLE', message });
    }
  });
});

test('a Vulkan build without the loader is refused with the remedy', async () => {
  await using scene = await openScene();
  const { root } = scene;
  const bin = join(root, 'bin');
  // A system whose cache of libraries is empty.
  await otherBinary(bin, 'ldconfig', {});
  await writeFile(join(bin, 'ldconfig'), '#!/bin/sh\n');
  const file = join(bin, 'sd-cli');
  const env = { PATH: bin, SystemRoot: root };
  const linux: VulkanCheck = { file, env, gpu: 'auto', platform: 'linux' };
  await checkVulkan(linux);
  await writeFile(join(bin, 'libggml-vulkan.so'), '');
  const refusal = { code: 'ENGINE_UNAVAILABLE', message: /apt install libvulkan1.*dnf install.*pacman -S/ };
  await assert.rejects(checkVulkan(linux), refusal);
  await assert.rejects(checkVulkan({ ...linux, platform: 'win32' }), refusal);
  for (const fine of [{ gpu: 'cpu' }, { platform: 'darwin' }] as const) await checkVulkan({ ...linux, ...fine });
  await writeFile(join(bin, 'libvulkan.so.1'), '');
  await checkVulkan({ ...linux, env: { ...env, LD_LIBRARY_PATH: bin } });
});

test('capabilities of another server are told apart', () => {
  const ours = { mark: 'mark-1', paths: ['/m/x', '/real/x'] };
  const answer = (path: string, ...loras: string[]) => ({
    ...{ model: { path }, supported_modes: ['img_gen'] },
    loras: loras.map((each) => ({ name: each, path: each })),
  });
  assert.deepEqual(readCapabilities(answer('/real/x', '/l/mark-1.safetensors', '/l/lora1.gguf'), ours), {
    modes: ['img_gen'],
    loras: { 'mark-1.safetensors': '/l/mark-1.safetensors', 'lora1.gguf': '/l/lora1.gguf' },
  });
  assert.deepEqual(readCapabilities(answer('/m/x'), ours), { modes: ['img_gen'], loras: {} });
  assert.equal(readCapabilities(answer('/m/x', '/l/mark-2.safetensors'), ours), undefined);
  for (const other of [answer('/m/y'), {}, undefined, 'text']) assert.equal(readCapabilities(other, ours), undefined);
});

describe('the release', () => {
  test('is the pin of the contract', () => {
    const of = (platform: NodeJS.Platform, arch: string) => assetUrl('master-920-2f88688', { platform, arch });
    const upstream = 'https://github.com/leejet/stable-diffusion.cpp/releases/download/master-920-2f88688';
    assert.equal(of('linux', 'x64'), `${upstream}/sd-master-2f88688-bin-Linux-Ubuntu-24.04-x86_64-vulkan.zip`);
    assert.equal(of('win32', 'x64'), `${upstream}/sd-master-2f88688-bin-win-vulkan-x64.zip`);
    assert.match(of('linux', 'arm64') ?? '', /sdcpp-prebuilt-master-920-2f88688\/.*Linux-aarch64-vulkan\.zip$/);
    assert.equal(of('sunos', 'x64'), undefined);
  });

  test('is not installed without a digest', () => {
    const linux = { platform: 'linux', arch: 'x64' } as const;
    const advice =
      /are not installed\. Unpack https:.*-vulkan\.zip into <models_root>\/bin.*STUDIO_WORKER_SDCPP_SHA256/;
    assert.throws(() => releaseFor({}, linux), { code: 'ENGINE_UNAVAILABLE', message: advice });
    const url = { STUDIO_WORKER_SDCPP_URL: 'https://a.example/sd.zip' };
    assert.throws(() => releaseFor(url, linux), { code: 'ENGINE_UNAVAILABLE' });
    const short = { ...url, STUDIO_WORKER_SDCPP_SHA256: 'abc' };
    assert.throws(() => releaseFor(short, linux), { message: /not 64 hex digits/ });
    const digest = 'AB'.repeat(32);
    assert.deepEqual(releaseFor({ ...url, STUDIO_WORKER_SDCPP_SHA256: digest }, linux), {
      ...{ url: 'https://a.example/sd.zip', sha256: digest.toLowerCase() },
    });
  });
});

const noUnzip =
  !['/usr/bin/unzip', '/usr/bin/python3', '/bin/bsdtar'].some(existsSync) && 'no program here unpacks zip files';

test('an archive is fetched, checked, unpacked flat and put to work', { skip: noUnzip }, async () => {
  await using scene = await openScene();
  const cli = await readFile(await otherBinary(join(scene.root, 'made'), 'sd-cli', {}), 'utf8');
  const archive = zip({ 'build/bin/sd-cli': cli, 'build/bin/libggml.so': 'x', '../evil': 'x', 'README.md': 'x' });
  const sha256 = createHash('sha256').update(archive).digest('hex');
  const web = createServer((_request, response) => response.end(archive));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const address = web.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/sd.zip`;
  const modelsRoot = join(scene.root, 'models');
  const env = { STUDIO_WORKER_SDCPP_URL: url, STUDIO_WORKER_SDCPP_SHA256: sha256 };
  const context = {
    ...{ env, settings: engineSettings(modelsRoot), signal: new AbortController().signal },
    ...{ progress: () => {}, log: () => {} },
  };
  try {
    const wrong = provision({ ...context, env: { ...env, STUDIO_WORKER_SDCPP_SHA256: '0'.repeat(64) } });
    await assert.rejects(wrong, { code: 'ENGINE_UNAVAILABLE', message: /has sha256 .* instead of 0000.*nothing was/ });
    // No litter.
    assert.deepEqual(await readdir(modelsRoot), []);
    assert.equal(await isOutdated(modelsRoot, env), true);
    Object.assign(process.env, env, { PATH: '/usr/bin:/bin' });
    const model = await scene.load([await scene.file('model')]);
    await bytesOf(model, imageTask('a fox'), await hearing(scene));
    assert.deepEqual(await readdir(modelsRoot), ['bin']);
    assert.equal(await isOutdated(modelsRoot, env), false);
    const bin = join(modelsRoot, 'bin');
    const names = await readdir(bin);
    assert.deepEqual(names.filter((name) => name !== 'evil').toSorted(), [
      ...['.sd-cli-release', 'README.md', 'libggml.so', 'sd-cli'],
    ]);
    assert.equal((await stat(join(bin, 'sd-cli'))).mode & 0o777, 0o755);
    assert.equal(await readFile(join(bin, '.sd-cli-release'), 'utf8'), `${url}\n`);
    // What the operator names next cannot be had: the installed one goes on.
    process.env.STUDIO_WORKER_SDCPP_URL = `${url}?next`;
    process.env.STUDIO_WORKER_SDCPP_SHA256 = '0'.repeat(64);
    await scene.load([await scene.file('model')]);
    assert.ok(scene.loadLines.some((line) => line.endsWith('going on with what is installed')));
  } finally {
    delete process.env.STUDIO_WORKER_SDCPP_URL;
    delete process.env.STUDIO_WORKER_SDCPP_SHA256;
    web.closeAllConnections();
    web.close();
  }
});

test('the probe says what is there, what would be used, and what to do', async () => {
  await using scene = await openScene();
  const settings = engineSettings(join(scene.root, 'models'));
  process.env.PATH = '/usr/bin:/bin';
  const none = await probe(settings);
  assert.equal(none.ready, false);
  assert.match(none.remedy ?? '', /Unpack .*<models_root>\/bin/);
  const devices = 'CPU\tAMD EPYC\nVulkan0\tNVIDIA RTX 4090';
  const file = await otherBinary(join(scene.root, 'models', 'bin'), 'sd-server', { STAND_IN_DEVICES: devices });
  assert.deepEqual(await probe(settings), {
    ready: true,
    detail: `${file} (master-920-2f88688), kept warm`,
    backend: 'vulkan',
    devices: ['CPU: AMD EPYC', 'Vulkan0: NVIDIA RTX 4090'],
  });
  const demand = await probe({ ...settings, gpu: 'cuda' });
  assert.equal(demand.ready, false);
  assert.match(demand.detail, /has no cuda device/);
});

test('a build that is too old, or that does not start, is refused', async () => {
  await using scene = await openScene();
  const bin = join(scene.root, 'models', 'bin');
  process.env.PATH = '/usr/bin:/bin';
  const model = [await scene.file('model')];
  for (const [version, gpu, message] of [
    ['master-563-0123456', 'auto', /\(master-563-0123456\) is too old; install build 611 or newer/],
    ['master-669-2d40a8b', 'vulkan', /too old to say what it computes on; install build 747/],
  ] as const) {
    await otherBinary(join(bin), 'sd-server', { STAND_IN_VERSION: `${version}, commit 0123456` });
    await assert.rejects(scene.load(model, { settings: { gpu } }), { code: 'ENGINE_UNAVAILABLE', message });
  }
  await writeFile(
    join(bin, 'sd-server'),
    '#!/bin/sh\necho "libvulkan.so.1: cannot open shared object file" >&2\nexit 127\n',
  );
  await assert.rejects(scene.load(model), { code: 'ENGINE_UNAVAILABLE', message: /apt install libvulkan1/ });
});
