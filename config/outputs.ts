/** Type of a stack's outputs, as `pulumi stack output --json --show-secrets` prints them. */
import type { BrokerConf } from "../broker/conf.ts";
import type { RevocationRecord } from "../providers/kept/revocationList.ts";
import type { Packed } from "../providers/packed.ts";
import type { Logins, Pem, Target } from "../verification/target.ts";

export interface BrokerOutputs {
    /** Name of the Fly app. */
    appName: string;
    /** `APP.fly.dev` */
    hostname: string;
    /** IP address at which clients reach the broker. */
    address: string;
    port: number;
    /** Whether the broker or Fly's edge ends TLS. */
    tls: BrokerConf["tls"];
    webSockets: BrokerConf["webSockets"];
    /** `mqtts://HOSTNAME:PORT` */
    url: string;
    /** `wss://HOSTNAME:PORT/mqtt`; absent unless clients may use WebSockets. */
    webSocketUrl?: string;
    /** The CAs that clients trust, the oldest first. */
    caCertificatePem: string;
    expiry: Expiry;
    /** Host names for which Fly's edge has certificates; absent where there are none. */
    edgeHostnames?: Record<string, EdgeHostname>;
    machineId: string;
    volumeId: string;
    /** `sha256:…` */
    imageDigest: string;
    /** Secret: user name → password, of users that log in with one. */
    users: Record<string, string>;
    clientIds: BrokerConf["clientIds"];
    /** Secret: the verification's user. */
    verifier: Target["verifier"];
    /** Secret: logins that the verification expects to succeed and to fail. */
    verificationLogins: Logins;
    /** Secret, by user name; absent unless clients log in with certificates. */
    clientCertificates?: Record<string, Pem>;
    /** Secret, by the CA's generation; absent until the stack has had client certificates. */
    revocations?: Record<string, Packed<RevocationRecord>>;
    /** Secret, since it carries a password. */
    subscribeCommand: string;
    /** Secret, since it carries a password. */
    publishCommand: string;
    /** The verification's report, one line per step. */
    verification: string;
}

/** Expiry of certificates in ISO 8601: the server's, and each CA's by its generation. */
export interface Expiry {
    server: string;
    ca: Record<string, string>;
}

/** A host name's public certificate at Fly's edge. */
export interface EdgeHostname {
    /** `active`, or `pending_…` while Fly waits for DNS; as of the last `up --refresh`. */
    status: string;
    /** DNS records to set, as `NAME TYPE VALUE`. */
    records: string[];
}
