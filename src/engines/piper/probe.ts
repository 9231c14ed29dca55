// Whether speech synthesis works on this machine: the library loads. It has no build for GPUs, so a GPU that is
// demanded is not there.
import { toFailure } from '../../protocol/failure.ts';
import type { Probe } from '../engine.ts';
import { loadLibrary } from './library.ts';

export const probe: Probe = async ({ gpu }) => {
  try {
    loadLibrary(gpu);
    return { ready: true, detail: 'sherpa-onnx, CPU build', backend: 'cpu' };
  } catch (thrown) {
    const { message } = toFailure(thrown, 'ENGINE_UNAVAILABLE');
    const [detail = message, remedy] = message.split(/: (?=install |set )/);
    return { ready: false, detail, ...(remedy && { remedy }) };
  }
};
