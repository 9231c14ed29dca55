// Whether ONNX Runtime can be loaded on this machine, and on what it would compute.
import { toFailure } from '../../protocol/failure.ts';
import type { Probe } from '../engine.ts';
import { chooseProvider, thisMachine } from './provider.ts';

export const probe: Probe = async ({ gpu }) => {
  try {
    const { provider, why } = chooseProvider(gpu, thisMachine());
    // Loading it also runs its native part.
    const { default: ort } = await import('onnxruntime-node');
    const detail = `ONNX Runtime ${ort.env.versions.node ?? ort.env.versions.common} on ${provider}${why ? ` (${why})` : ''}`;
    return { ready: true, detail, backend: provider };
  } catch (thrown) {
    const { code, message } = toFailure(thrown, 'INTERNAL');
    const remedy =
      code === 'ENGINE_UNAVAILABLE'
        ? 'set gpu to cpu or auto, or install what is missing'
        : 'npm install again on this machine: the package brings a library for each system';
    return { ready: false, detail: message, remedy };
  }
};
