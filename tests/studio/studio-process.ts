// Runs a studio as `studio-worker studio` does; its options are the first argument, as JSON.
import { runStudio } from '../../src/studio/host/run-studio.ts';

await runStudio(JSON.parse(process.argv[2] ?? '{}'));
