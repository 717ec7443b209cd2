/** Times are ISO 8601 text in `…At`, milliseconds since 1970 in `…AtMs`, seconds since 1970 in `…AtS`. */
interface Owned {
  readonly userId: string;
}

export interface User {
  readonly id: string;
  readonly username: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly firstName: string;
  readonly lastName: string;
  readonly displayName: string;
  readonly isAdmin: boolean;
  readonly locale: string | null;
  readonly disabled: boolean;
  readonly groupIds: readonly string[];
  readonly createdAt: string;
}

export interface Group {
  readonly id: string;
  readonly name: string;
  readonly friendlyName: string;
  readonly createdAt: string;
}

export interface ClientSecret {
  readonly id: string;
  readonly prefix: string;
  readonly digest: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

export interface Client {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly launchURL: string | null;
  readonly requiresReauthentication: boolean;
  readonly callbackURLs: readonly string[];
  readonly logoutCallbackURLs: readonly string[];
  readonly isPublic: boolean;
  readonly pkceEnabled: boolean;
  readonly requiresPushedAuthorizationRequests: boolean;
  readonly skipConsent: boolean;
  readonly isGroupRestricted: boolean;
  readonly accessTokenDurationMinutes: number;
  readonly refreshTokenDurationMinutes: number;
  readonly allowedGroupIds: readonly string[];
  readonly secrets: readonly ClientSecret[];
  readonly createdAt: string;
}

/** Keyed by the digest of the token, so that reading the database does not sign anyone in. */
interface OneTimeToken extends Owned {
  readonly expiresAtMs: number;
}

/** What a user agreed to for a client; the id is `<user> <client>`. */
interface Consent extends Owned {
  readonly clientId: string;
  readonly scopes: readonly string[];
}

export type InteractionStep = 'authenticate' | 'select_account' | 'reauthenticate' | 'consent';

export interface Interaction {
  readonly id: string;
  readonly clientId: string;
  readonly userId: string | null;
  readonly parameters: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
  readonly steps: readonly InteractionStep[];
  readonly requestedAtS: number;
  readonly expiresAtMs: number;
}

/** One authorization by one user: everything issued from it lives and dies with it. */
export interface Grant extends Owned {
  readonly id: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly nonce: string | null;
  readonly amr: readonly string[];
  readonly authenticatedAtS: number;
  readonly requestedAtS: number;
  readonly revoked: boolean;
  /** `jti` of the tokens issued last; earlier access tokens are dead. */
  readonly accessTokenId: string | null;
  readonly idTokenId: string | null;
}

export interface AuthorizationCode {
  readonly grantId: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge: string | null;
  readonly codeChallengeMethod: 'plain' | 'S256';
  readonly state: 'fresh' | 'wrong-verifier' | 'used';
  readonly expiresAtMs: number;
}

interface RefreshToken {
  readonly grantId: string;
  readonly clientId: string;
  readonly used: boolean;
  readonly issuedAtS: number;
  readonly expiresAtMs: number;
}

export interface DeviceCode {
  readonly id: string;
  readonly userCode: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly grantId: string | null;
  readonly used: boolean;
  readonly requestedAtS: number;
  readonly expiresAtMs: number;
}

interface PushedRequest {
  readonly clientId: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly expiresAtMs: number;
}

/** The RS256 key, sealed with the encryption key. */
interface SealedKey {
  readonly sealed: string;
}

/** Every kind of document that the store keeps. */
export interface Kinds {
  readonly user: User;
  readonly group: Group;
  readonly client: Client;
  readonly 'one-time-token': OneTimeToken;
  readonly consent: Consent;
  readonly interaction: Interaction;
  readonly grant: Grant;
  readonly 'authorization-code': AuthorizationCode;
  readonly 'refresh-token': RefreshToken;
  readonly 'device-code': DeviceCode;
  readonly 'pushed-request': PushedRequest;
  readonly 'signing-key': SealedKey;
}

export type Kind = keyof Kinds;
