/** The broker to be verified, as a client in the world reaches it. */
export interface Target {
    /** Host name or IP address that is dialled. */
    address: string;
    port: number;
    /** The name that the server's certificate must carry; sent as SNI too. */
    hostname: string;
    /** The CA's certificate, or several (a bundle), in PEM. */
    caPem: string;
    /** Who ends TLS: the broker, with a certificate by that CA, or Fly's edge, with a public one. */
    tls: "broker" | "edge";
    /** MQTT over WebSockets: its port, and who ends TLS there. */
    webSockets?: { port: number; tls: "broker" | "edge" };
    /** Does the round trip and tries what it is not granted. */
    verifier: { username: string; password: string };
    /** User name → password. Each logs in. */
    users: Record<string, string>;
    /** Where clients log in with certificates: its port, one for the verification, and a foreign one. */
    certificates?: Certificates;
    /** How long the first step waits for the address to start answering, in seconds. */
    deadlineSeconds: number;
}

/** As much of it as a TLS handshake needs. */
export type Endpoint = Pick<
    Target,
    "address" | "port" | "hostname" | "caPem" | "tls" | "deadlineSeconds"
>;

export interface Certificates {
    /** The same as that of the others where there is no password to log in with. */
    port: number;
    own: Pem;
    /** In the same name, by another CA. */
    foreign: Pem;
}

interface Pem {
    certificatePem: string;
    privateKeyPem: string;
}

/** Seconds that the first step waits unless MQTT_DEADLINE_SECONDS says otherwise. */
const DEADLINE_SECONDS = 60;

/**
 * Reads the target from the environment: MQTT_ADDRESS, MQTT_PORT, MQTT_HOSTNAME, MQTT_CA_PEM, and
 * MQTT_USERNAME and MQTT_PASSWORD of the verification's user; if wanted MQTT_USERS (the others, as a
 * JSON object: name → password), MQTT_DEADLINE_SECONDS, MQTT_TLS (broker, edge), MQTT_WEBSOCKETS (off,
 * broker, edge) with MQTT_WEBSOCKETS_PORT, and MQTT_CERTIFICATES where clients log in with certificates
 * (a JSON object as `Certificates`).
 *
 * @throws Error naming every variable that is missing or wrong; never with a password in it
 */
export function targetFromEnvironment(env: NodeJS.ProcessEnv): Target {
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
    const users = usersFrom(env["MQTT_USERS"] ?? "{}", mistakes);
    const certificates = env["MQTT_CERTIFICATES"];
    const deadline = env["MQTT_DEADLINE_SECONDS"] ?? String(DEADLINE_SECONDS);
    const choice = <T extends string>(name: string, one: T, ...others: T[]): T => {
        const value = (env[name] ?? one) as T;
        const all = [one, ...others];
        if (all.includes(value)) return value;
        mistakes.push(`${name} must be one of ${all.join(", ")}, not "${value}"`);
        return one;
    };
    const webSockets = choice("MQTT_WEBSOCKETS", "off", "broker", "edge");
    const webSocketsPort = "MQTT_WEBSOCKETS_PORT";
    const target: Target = {
        address: text("MQTT_ADDRESS"),
        port: number("MQTT_PORT", text("MQTT_PORT"), 65535),
        hostname: text("MQTT_HOSTNAME"),
        caPem: text("MQTT_CA_PEM"),
        tls: choice("MQTT_TLS", "broker", "edge"),
        ...(webSockets !== "off" && {
            webSockets: {
                port: number(webSocketsPort, text(webSocketsPort), 65535),
                tls: webSockets,
            },
        }),
        verifier: { username: text("MQTT_USERNAME"), password: text("MQTT_PASSWORD") },
        users,
        ...(certificates !== undefined && {
            certificates: JSON.parse(certificates) as Certificates,
        }),
        deadlineSeconds: number("MQTT_DEADLINE_SECONDS", deadline, 3600),
    };
    if (mistakes.length > 0) throw new Error(mistakes.join("; "));
    return target;
}

function usersFrom(json: string, mistakes: string[]): Record<string, string> {
    const rule = "MQTT_USERS must be a JSON object of user names and their passwords";
    let parsed: unknown;
    try {
        parsed = JSON.parse(json);
    } catch {
        // The parser's own message would quote the text, and with it a password.
        mistakes.push(rule);
        return {};
    }
    const usable =
        typeof parsed === "object" &&
        parsed !== null &&
        !Array.isArray(parsed) &&
        Object.values(parsed).every((value) => typeof value === "string");
    if (!usable) mistakes.push(rule);
    return usable ? (parsed as Record<string, string>) : {};
}
