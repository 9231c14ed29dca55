// Where a job's model comes from: the engine that runs it, its files, and defaults for settings that the task left open.
import { z } from 'zod';
import { absent } from './absent.ts';
import { finite, u32, u64 } from './numbers.ts';

/**
 * An engine's name on the wire. It is not an enum: an engine that this worker does not have is a failed job with a
 * message that says what to install, not an unreadable frame.
 */
export const EngineId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'expected a lower-case engine id such as "sd-cpp"');

/** What a plain file name may not be: empty, a path, or a step out of its folder. */
const PLAIN_FILE_NAME = /^(?!\.{1,2}$)[^/\\\0]{1,255}$/;

export const ModelFile = z.object({
  role: z.string(),
  url: z.string(),
  filename: z.string().regex(PLAIN_FILE_NAME, 'expected a plain file name'),
  approxBytes: absent(u64),
  sha256: absent(z.string().regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hex digits')),
});
export type ModelFile = z.infer<typeof ModelFile>;

/** A model's own settings. The first four are required on the wire, whatever the engine. */
export const CliDefaults = z.object({
  cfgScale: finite,
  steps: u32,
  width: u32,
  height: u32,
  samplingMethod: absent(z.string()),
  flowShift: absent(finite),
  zeroCondT: absent(z.boolean()),
  offloadToCpu: absent(z.boolean()),
  mmap: absent(z.boolean()),
  maxVramGib: absent(finite),
  contextSize: absent(u32),
  chatTemplateKwargs: absent(z.record(z.string(), z.json())),
});
export type CliDefaults = z.infer<typeof CliDefaults>;

export const ModelSource = z.object({
  engine: EngineId,
  files: z.array(ModelFile).max(64),
  cliDefaults: CliDefaults,
});
export type ModelSource = z.infer<typeof ModelSource>;
