// Whether sd-cpp would work on this machine, and on what: asked by the registry in a process of its own, without loading
// a model. Nothing is installed by asking.
import type { Probe } from '../engine.ts';
import { lookAt } from './choose-binary.ts';
import { placesHere } from './find-binary.ts';
import { installAdvice, NOT_INSTALLED, releaseFor } from './release.ts';

export const probe: Probe = async (settings) => {
  const places = placesHere(settings.modelsRoot);
  try {
    const choice = await lookAt(settings, places);
    if (choice) {
      const { kind, binary, backend } = choice;
      const devices = (binary.devices ?? []).map(({ name, description }) => `${name}: ${description}`);
      const detail = `${binary.file} (${binary.traits.version}), ${kind === 'server' ? 'kept warm' : 'started for each job'}`;
      return { ready: true, detail, backend: backendKind(backend.name), devices };
    }
    const { url } = releaseFor(places.env, { platform: process.platform, arch: process.arch });
    return { ready: true, detail: `will be installed for the first job, from ${url}` };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const missing = message.startsWith(NOT_INSTALLED);
    return {
      ready: false,
      detail: missing ? NOT_INSTALLED : message,
      // The message's own advice names the archive for this machine.
      remedy: missing ? message.slice(NOT_INSTALLED.length + 2) : installAdvice(),
    };
  }
};

/** `Vulkan0` is a device; `vulkan` is what it computes with. */
function backendKind(device: string): string {
  return device.toLowerCase().replace(/\d+$/, '');
}
