import { pbkdf2Sync, randomBytes } from "node:crypto";
import { confFiles, type BrokerConf } from "../../broker/conf.ts";
import { limitsOf } from "../../broker/limits.ts";

/** The broker's configuration for tests without special needs. */
export const CONF: BrokerConf = {
    retained: true,
    tls: "broker",
    webSockets: "off",
    limits: limitsOf(256),
    clientIds: "any",
    clientCertificates: "off",
};

/** The configuration files of a container: path → content. */
export function givenConf(conf: BrokerConf = CONF): Record<string, string> {
    return Object.fromEntries(
        confFiles(conf).map(({ guest_path, raw_value }) => [
            guest_path,
            Buffer.from(raw_value, "base64").toString(),
        ]),
    );
}

/** A user's line of a Mosquitto password file, with few iterations. */
export function passwordLine(user: string, password: string, iterations = 100): string {
    const salt = randomBytes(12);
    const hash = pbkdf2Sync(password, salt, iterations, 64, "sha512");
    return `${user}:$7$${iterations}$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}
