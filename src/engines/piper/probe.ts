// Whether speech synthesis works on this machine: the library loads. It has no build for GPUs, so that says it all.
import { toFailure } from '../../protocol/failure.ts';
import type { Probe } from '../engine.ts';
import { loadLibrary } from './library.ts';

export const probe: Probe = async () => {
  try {
    loadLibrary();
    return { ready: true, detail: 'sherpa-onnx, CPU build', backend: 'cpu' };
  } catch (thrown) {
    const { message } = toFailure(thrown, 'ENGINE_UNAVAILABLE');
    const [detail = message, remedy] = message.split(/: (?=install )/);
    return { ready: false, detail, ...(remedy && { remedy }) };
  }
};
