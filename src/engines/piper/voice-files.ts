// From the files of an offer to what the library wants, checked first: what it finds wrong, it answers by ending the
// process. Files by role:
//
//   model     the voice, .onnx with sherpa-onnx's metadata          needed
//   tokens    tokens.txt                                            needed
//   voices    voices.bin: the styles of a Kokoro model              Kokoro needs it
//   lexicon   lexicon.txt, one or several                           what the model's front end demands
//   data-dir  a file of espeak-ng-data; `data-dir/lang/gmw` is one of its folder lang/gmw
//   config    Piper's .onnx.json, for the names of its speakers     never needed
import { copyFile, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { LocalModelFile } from '../engine.ts';
import { onnxMetadata } from '../sherpa/onnx-metadata.ts';
import type { KokoroFiles, TtsConfig, VitsFiles } from './library.ts';
import { checkTokens } from './tokens.ts';

export type VoiceFiles = {
  readonly model: Pick<TtsConfig['model'], 'vits' | 'kokoro'>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Piper's own description of the voice, as it was read. */
  readonly config: unknown;
};

const DATA_DIR = 'data-dir';
/** What espeak-ng opens before anything else. */
const DATA_FILES = ['phontab', 'phonindex', 'phondata', 'intonations'];
/** A folder's name in a role: nothing that leads elsewhere. */
const FOLDER = /^(?!\.)[\w.+-]{1,64}$/;
const VITS_METADATA = ['sample_rate', 'n_speakers', 'language', 'comment'];
const KOKORO_METADATA = ['sample_rate', 'n_speakers', 'has_espeak', 'style_dim'];
/** Voices whose metadata says so turn text into phonemes with espeak-ng. */
const SPOKEN_BY_ESPEAK = /piper|coqui|icefall/;

export async function voiceFiles(
  files: readonly LocalModelFile[],
  { model, scratchDir }: { model: string; scratchDir: string },
): Promise<VoiceFiles> {
  const pathOf = (role: string) => files.find((file) => file.role === role)?.path;
  const need = (role: string, why: string) => {
    const path = pathOf(role);
    if (path !== undefined) return path;
    throw new Failure('MODEL_SOURCE_MISSING', `\`${model}\` has no file of role \`${role}\`, which ${why}`);
  };
  const onnx = need('model', 'every voice needs');
  const tokens = need('tokens', 'every voice needs');
  const metadata = await onnxMetadata(onnx, 'the voice');
  const lexicons = files.filter(({ role }) => role === 'lexicon').map(({ path }) => path);
  const common: VitsFiles = {
    model: onnx,
    tokens,
    ...(lexicons.length > 0 && { lexicon: lexicons.join(',') }),
    ...((await hasDataDir(files)) && { dataDir: await layDataDir(files, join(scratchDir, 'espeak-ng-data')) }),
  };
  const config = await configOf(pathOf('config'));
  if (metadata.has('style_dim') || pathOf('voices') !== undefined) {
    requireMetadata(metadata, KOKORO_METADATA);
    const voices = need('voices', 'a Kokoro voice needs');
    const kokoro = kokoroFiles({ ...common, voices }, metadata);
    await checkStyles(voices, metadata);
    await checkTokens(tokens, { characters: false });
    return { model: { kokoro }, metadata, config };
  }
  requireMetadata(metadata, VITS_METADATA);
  checkFrontEnd(common, metadata);
  const characters = metadata.get('frontend') === 'characters' || common.lexicon === undefined;
  await checkTokens(tokens, { characters });
  return { model: { vits: common }, metadata, config };
}

function requireMetadata(metadata: ReadonlyMap<string, string>, keys: readonly string[]): void {
  const missing = keys.filter((key) => !metadata.has(key));
  if (missing.length > 0) {
    const hint = "take the voice from sherpa-onnx's own list, since a voice as it was trained lacks them";
    throw broken(`its metadata lacks ${missing.join(', ')}; ${hint}`);
  }
  for (const key of ['sample_rate', 'n_speakers']) {
    const value = Number(metadata.get(key));
    // A plain VITS voice of one speaker says 0.
    if (!Number.isInteger(value) || value < (key === 'n_speakers' ? 0 : 1)) throw broken(`its ${key} is no number`);
  }
}

/** The library takes letters, a lexicon or espeak-ng; without any of them it ends the process. */
function checkFrontEnd({ lexicon, dataDir }: VitsFiles, metadata: ReadonlyMap<string, string>): void {
  if (metadata.get('frontend') === 'characters' || lexicon !== undefined) return;
  const espeak = SPOKEN_BY_ESPEAK.test(metadata.get('comment') ?? '');
  if (espeak && dataDir !== undefined) return;
  const needs = espeak ? 'files of role `data-dir` (its espeak-ng-data)' : 'a file of role `lexicon`';
  throw new Failure('MODEL_SOURCE_MISSING', `the voice needs ${needs} to know how words are spoken`);
}

function kokoroFiles(files: Omit<KokoroFiles, 'lang'>, metadata: ReadonlyMap<string, string>): KokoroFiles {
  if (files.dataDir === undefined) {
    throw new Failure('MODEL_SOURCE_MISSING', 'a Kokoro voice needs files of role `data-dir` (its espeak-ng-data)');
  }
  const several = Number(metadata.get('version') ?? 1) >= 2;
  // From version 2 the language is chosen by a lexicon or by name; espeak-ng's name of the one it was trained on.
  return several && files.lexicon === undefined ? { ...files, lang: metadata.get('voice') ?? 'en-us' } : files;
}

async function checkStyles(path: string, metadata: ReadonlyMap<string, string>): Promise<void> {
  const [rows = 0, one = 0, columns = 0] = (metadata.get('style_dim') ?? '').split(',').map(Number);
  const expected = Number(metadata.get('n_speakers')) * rows * one * columns * 4;
  const { size } = await stat(path);
  if (!(expected > 0) || size !== expected) {
    throw broken(`its voices file has ${size} bytes, and the model speaks of ${expected}`);
  }
}

async function hasDataDir(files: readonly LocalModelFile[]): Promise<boolean> {
  const parts = files.filter(({ role }) => role === DATA_DIR);
  if (!files.some(({ role }) => role === DATA_DIR || role.startsWith(`${DATA_DIR}/`))) return false;
  for (const name of DATA_FILES) {
    const file = parts.find(({ filename }) => filename === name);
    if (!file)
      throw new Failure('MODEL_SOURCE_MISSING', `the voice's espeak-ng-data lacks \`${name}\` (role \`data-dir\`)`);
    // The library ends the process on an empty one.
    if ((await stat(file.path)).size === 0) throw broken(`its espeak-ng-data has an empty \`${name}\``);
  }
  return true;
}

/** Files arrive in one flat folder and espeak-ng wants a tree, so one is laid out with links. */
async function layDataDir(files: readonly LocalModelFile[], folder: string): Promise<string> {
  for (const { role, filename, path } of files) {
    const [root, ...folders] = role.split('/');
    if (root !== DATA_DIR) continue;
    if (!folders.every((each) => FOLDER.test(each))) throw broken(`\`${role}\` is no folder of espeak-ng-data`);
    const target = join(folder, ...folders);
    await mkdir(target, { recursive: true });
    // Windows lets only some users make links.
    await symlink(path, join(target, filename)).catch(() => copyFile(path, join(target, filename)));
  }
  return folder;
}

async function configOf(path: string | undefined): Promise<unknown> {
  if (path === undefined) return undefined;
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new Failure('MODEL_INVALID', "the voice's file of role `config` is no JSON", { cause });
  }
}

function broken(why: string): Failure {
  return new Failure('MODEL_INVALID', `the voice cannot be used: ${why}`);
}
