/** A stack's outputs, as `pulumi stack output --json --show-secrets` gives them. */
import type { BrokerConf } from "../broker/conf.ts";
import type { RevocationRecord } from "../providers/kept/revocationList.ts";
import type { Packed } from "../providers/packed.ts";
import type { Logins, Pem, Target } from "../verification/target.ts";

export interface BrokerOutputs {
    /** Fly's app. */
    appName: string;
    /** `APP.fly.dev` */
    hostname: string;
    /** IP address at which clients reach the broker. */
    address: string;
    port: number;
    /** Where TLS ends. */
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
    /** Secret: user name → password, of those who log in with one. */
    users: Record<string, string>;
    clientIds: BrokerConf["clientIds"];
    /** Secret: the user that the verification logs in as. */
    verifier: Target["verifier"];
    /** Secret: who the verification logs in as, and who must stay out. */
    verificationLogins: Logins;
    /** Secret, by user name; absent unless clients log in with certificates. */
    clientCertificates?: Record<string, Pem>;
    /** Secret, by the CA's generation; absent until the stack has had client certificates. */
    revocations?: Record<string, Packed<RevocationRecord>>;
    /** Secret, since it carries a password. */
    subscribeCommand: string;
    /** Secret, since it carries a password. */
    publishCommand: string;
    /** The verification's report, a line a step. */
    verification: string;
}

/** When certificates end, in ISO 8601: the server's, and each CA's by its generation. */
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
