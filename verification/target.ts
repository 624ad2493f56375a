import { MODES, type BrokerConf } from "../broker/conf.ts";

/** The broker to verify, as a client on the internet reaches it. */
export interface Target {
    /** Host name or IP address that is dialled. */
    address: string;
    port: number;
    /** The name that the server's certificate must carry; sent as SNI too. */
    hostname: string;
    /** The CA's certificate, or several (a bundle), in PEM. */
    caPem: string;
    /** Who ends TLS: the broker, with a certificate signed by that CA, or Fly's edge, with a public one. */
    tls: BrokerConf["tls"];
    /** MQTT over WebSockets: its port, and who ends TLS there. */
    webSockets?: { port: number; tls: Exclude<BrokerConf["webSockets"], "off"> };
    /** The user that makes the round trip and tries topics it is not granted. */
    verifier: { username: string; password: string };
    logins: Logins;
    /** How long the first step waits for the address to start answering, in seconds. */
    deadlineSeconds: number;
}

/** The part of a target that a TLS handshake needs. */
export type Endpoint = Pick<
    Target,
    "address" | "port" | "hostname" | "caPem" | "tls" | "deadlineSeconds"
>;

/** Credentials that must work, and those that must not. */
export interface Logins {
    /** Users that must log in; if there are many, those with the newest passwords. */
    users: Login[];
    /** How many users there are. */
    userCount: number;
    /** Passwords of removed users and former passwords of present ones. None may log in. */
    former: Login[];
    /** Set if clients log in with certificates. */
    certificates?: Certificates;
}

export interface Login {
    user: string;
    password: string;
}

/** The port, and certificates: the verification's own, a foreign one, and those of removed devices. */
export interface Certificates {
    /** Equals the target's port if clients cannot log in with a password. */
    port: number;
    own: Pem;
    /** Has the same name, but is signed by another CA. */
    foreign: Pem;
    /** Certificates of removed devices. None may log in. */
    former: (Pem & { name: string })[];
}

/** A certificate and its key, in PEM. */
export interface Pem {
    certificatePem: string;
    privateKeyPem: string;
}

/** Seconds the first step waits, unless MQTT_DEADLINE_SECONDS says otherwise. */
const DEADLINE_SECONDS = 60;

/**
 * Reads the target from the environment: MQTT_ADDRESS, MQTT_PORT, MQTT_HOSTNAME, MQTT_CA_PEM, and the
 * verification user's MQTT_USERNAME and MQTT_PASSWORD. Optional are MQTT_DEADLINE_SECONDS, MQTT_TLS
 * (broker, edge) and MQTT_WEBSOCKETS (off, broker, edge) with MQTT_WEBSOCKETS_PORT.
 * @param input `Logins` as JSON; if empty, only the verification's user logs in
 * @throws Error that names every missing or wrong variable, and contains no password
 */
export function targetFrom(env: NodeJS.ProcessEnv, input: string): Target {
    const mistakes: string[] = [];
    const text = (name: string) => {
        const value = env[name] ?? "";
        if (value === "") mistakes.push(`${name} is not set`);
        return value;
    };
    const number = (name: string, value: string, most: number) => {
        const parsed = Number(value);
        if (value !== "" && !(parsed > 0 && parsed <= most)) {
            mistakes.push(`${name} must be a number from 1 to ${most}, not "${value}"`);
        }
        return parsed;
    };
    const logins = loginsFrom(input, mistakes);
    const deadline = env["MQTT_DEADLINE_SECONDS"] ?? String(DEADLINE_SECONDS);
    const choice = <T extends string>(name: string, all: readonly [T, ...T[]]): T => {
        const value = (env[name] ?? all[0]) as T;
        if (all.includes(value)) return value;
        mistakes.push(`${name} must be one of ${all.join(", ")}, not "${value}"`);
        return all[0];
    };
    const webSockets = choice("MQTT_WEBSOCKETS", MODES.webSockets);
    const webSocketsPort = "MQTT_WEBSOCKETS_PORT";
    const target: Target = {
        address: text("MQTT_ADDRESS"),
        port: number("MQTT_PORT", text("MQTT_PORT"), 65535),
        hostname: text("MQTT_HOSTNAME"),
        caPem: text("MQTT_CA_PEM"),
        tls: choice("MQTT_TLS", MODES.tls),
        ...(webSockets !== "off" && {
            webSockets: {
                port: number(webSocketsPort, text(webSocketsPort), 65535),
                tls: webSockets,
            },
        }),
        verifier: { username: text("MQTT_USERNAME"), password: text("MQTT_PASSWORD") },
        logins,
        deadlineSeconds: number("MQTT_DEADLINE_SECONDS", deadline, 3600),
    };
    if (mistakes.length > 0) throw new Error(mistakes.join("; "));
    return target;
}

function loginsFrom(input: string, mistakes: string[]): Logins {
    const none = { users: [], userCount: 0, former: [] };
    if (input.trim() === "") return none;
    let parsed: Partial<Logins> = {};
    try {
        parsed = JSON.parse(input) as Partial<Logins>;
    } catch {
        // Drop the parser's message: it quotes the text, which has passwords.
    }
    const isLogin = (one: unknown) => {
        const { user, password } = (one ?? {}) as Partial<Login>;
        return typeof user === "string" && typeof password === "string";
    };
    const { users, former = [] } = parsed ?? {};
    if (![users, former].every((list) => Array.isArray(list) && list.every(isLogin))) {
        mistakes.push(
            "standard input must be JSON with lists of users and former, each with user and password",
        );
        return none;
    }
    return { ...none, ...parsed };
}
