// Which of the offer's files is the model.
import { Failure } from '../../protocol/failure.ts';
import type { LocalModelFile, ModelRef } from '../engine.ts';

/** A model in several files is opened by its first, and finds the others beside it. */
const FIRST_PART = /-00001-of-\d{5}\.gguf$/i;

/** The file with role `model`, else the first one, among those that end in .gguf. */
export function pickModelFile({ model }: ModelRef, files: readonly LocalModelFile[]): LocalModelFile {
  const candidates = files.filter(({ filename }) => /\.gguf$/i.test(filename));
  const models = candidates.filter(({ role }) => role === 'model');
  const file = models.find(({ filename }) => FIRST_PART.test(filename)) ?? models[0] ?? candidates[0];
  if (file) return file;
  const given = files.map(({ filename }) => filename).join(', ') || 'no files';
  throw new Failure('MODEL_SOURCE_MISSING', `llama-cpp needs a .gguf file for \`${model}\`; the offer has ${given}`);
}
