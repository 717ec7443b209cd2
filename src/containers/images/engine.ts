import type Docker from 'dockerode';

interface Refusal {
  readonly statusCode?: number;
  readonly json?: { readonly message?: string };
}

/** dockerode's own call for this takes no signal, and would keep the process alive as long as the registry is silent. */
interface Dialer {
  readonly dial: (
    options: {
      readonly path: string;
      readonly method: 'GET';
      readonly abortSignal: AbortSignal;
      readonly statusCodes: Readonly<Record<number, true>>;
    },
    done: (error: Error | null) => void,
  ) => void;
}

/** Statuses by which the Engine passes on what a registry said about one image. */
const answered = new Set([401, 403, 404]);

/**
 * Lets the Engine ask the image's registry, with the Engine's own resolver, proxy and mirrors. True when the registry
 * answers, also when it answers that there is no such image; else why it does not.
 * @throws the signal's reason when aborted; what dockerode throws where the Engine itself does not answer
 */
export const askRegistry = async (
  docker: Docker,
  ref: string,
  signal: AbortSignal,
): Promise<true | string> => {
  signal.throwIfAborted();
  const modem = docker.modem as Dialer;
  const error = await new Promise<Error | null>((resolve) => {
    const path = `/distribution/${ref}/json`;
    modem.dial({ path, method: 'GET', abortSignal: signal, statusCodes: { 200: true } }, resolve);
  });
  signal.throwIfAborted();
  if (error === null) return true;
  const { statusCode, json } = error as Refusal;
  if (statusCode === undefined) throw error;
  return answered.has(statusCode) ? true : (json?.message ?? `status ${statusCode}`);
};
