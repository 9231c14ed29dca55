// The binary that a model will run on: found or installed, fit for this machine, on the device that the operator wants.
import { Failure } from '../../protocol/failure.ts';
import type { EngineSettings, LoadContext } from '../engine.ts';
import { type Binary, openBinary } from './binary.ts';
import { type Backend, chooseBackend } from './devices.ts';
import { findBinaries, type Places, placesHere } from './find-binary.ts';
import { isOutdated, provision } from './provision.ts';
import { BUILD_MIN } from './traits.ts';
import { checkVulkan } from './vulkan.ts';

export type Choice = { readonly kind: 'server' | 'cli'; readonly binary: Binary; readonly backend: Backend };

/** Finds the binary, and installs it first when there is none or when the operator has named another archive. */
export async function chooseBinary(
  context: Pick<LoadContext, 'signal' | 'settings' | 'progress' | 'log'>,
): Promise<Choice> {
  const { settings, log, signal } = context;
  const places = placesHere(settings.modelsRoot);
  const { env } = places;
  const found = await findBinaries(places);
  if (!found.cli && !found.server) await provision({ ...context, env });
  else if (await isOutdated(settings.modelsRoot, env)) {
    await provision({ ...context, env }).catch((thrown: Error) => {
      signal.throwIfAborted();
      log('warn', `${thrown.message}; going on with what is installed`);
    });
  }
  const choice = await lookAt(settings, places, signal);
  if (!choice) throw new Failure('ENGINE_UNAVAILABLE', 'the archive holds no sd-cli or sd-server for this machine');
  return choice;
}

/** Undefined: nothing is installed. */
export async function lookAt(
  settings: EngineSettings,
  places: Places,
  signal?: AbortSignal,
): Promise<Choice | undefined> {
  const { cli, server } = await findBinaries(places);
  const file = server ?? cli;
  if (file === undefined) return undefined;
  await checkVulkan({ file, gpu: settings.gpu, platform: places.platform, env: places.env });
  const binary = await openBinary({ file, device: settings.device }, signal);
  const { version, tooOld } = binary.traits;
  if (tooOld) {
    throw new Failure('ENGINE_UNAVAILABLE', `\`${file}\` (${version}) is too old; install build ${BUILD_MIN} or newer`);
  }
  return { kind: server ? 'server' : 'cli', binary, backend: chooseBackend(settings.gpu, binary.devices, version) };
}
