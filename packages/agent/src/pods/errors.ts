// Reads what was thrown as an error of the runtime. Which reason a container then shows is decided where the step is carried out.
import { isRuntimeError, RuntimeError } from '../runtime/errors.js';

/** Anything thrown as a RuntimeError; what is none becomes code "failed". */
export function toRuntimeError(error: unknown): RuntimeError {
  if (isRuntimeError(error)) return error;
  return new RuntimeError('failed', error instanceof Error ? error.message : String(error), { cause: error });
}

/** The engine does not answer: nothing is wrong with the pod. */
export function isEngineDown(error: RuntimeError): boolean {
  return error.code === 'unreachable' || error.code === 'permission';
}
