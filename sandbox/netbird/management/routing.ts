import type { Answer } from './answers.ts';
import type { Call, World } from './world.ts';

export type Handler = (call: Call, world: World) => Answer;

/** One door of the API. Segments of `path` that begin with a colon are parameters. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly handle: Handler;
}

export const get = (path: string, handle: Handler): Route => ({ method: 'GET', path, handle });
export const post = (path: string, handle: Handler): Route => ({ method: 'POST', path, handle });
export const put = (path: string, handle: Handler): Route => ({ method: 'PUT', path, handle });
export const remove = (path: string, handle: Handler): Route => ({ method: 'DELETE', path, handle });

/** The route for a request and its parameters; the first that fits, so fixed paths stand before those with parameters. */
export function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; params: Readonly<Record<string, string>> } | undefined {
  for (const route of routes) {
    const params = route.method === method ? parametersOf(route.path, path) : undefined;
    if (params !== undefined) return { route, params };
  }
  return undefined;
}

function parametersOf(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const found = given[index] ?? '';
    if (segment.startsWith(':') && found !== '') params[segment.slice(1)] = decoded(found);
    else if (segment !== found) return undefined;
  }
  return params;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
