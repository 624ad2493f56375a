/**
 * Reads what the last `up` left in the stack's state, mostly certificates. A preview that renews one no longer
 * knows when the old one expires, and no resource tells which CAs were trusted before.
 */
import { X509Certificate } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { certificatesIn } from "../lib/pem.ts";
import type { RevocationRecord } from "../providers/kept/revocationList.ts";
import { VERIFIER } from "../verification/verifier.ts";
import type { KnownDevices } from "../providers/kept/formerDevices.ts";
import type { KnownPasswords } from "../providers/kept/passwords.ts";
import { unpack, type PackedIn } from "../providers/packed.ts";
import type { MachineConfig } from "../providers/fly/api/types.ts";
import { devicesIn, passwordsIn, type State } from "./known.ts";
import type { BrokerOutputs } from "./outputs.ts";
import { stateOf, type BrokerRef } from "./ownState.ts";
import { queueLimitsIn, type QueueLimits } from "./queues.ts";

export interface Deployed {
    /** The app's name; undefined before the first `up`. */
    appName: string | undefined;
    volume: { app: string; name: string; region: string; sizeGb: number } | undefined;
    /** The volume's ID, known even after a refresh has taken a lost one out of the state. */
    volumeId: string | undefined;
    /** Generation → expiry of the CA's certificate (`end`), and of the one that clients may still have (`held`). */
    authorities: Map<number, { end: Date; held: Date }>;
    /** Generation → common name of the CA's subject. */
    commonNames: Map<number, string>;
    /** Expiry of the server certificate; undefined before the first `up`. */
    server: Date | undefined;
    /** Generation of the CA that signed the server certificate; undefined before the first `up`. */
    issuer: number | undefined;
    /**
     * CA generations in the stack's outputs, and so known to clients. An interrupted `up` may have created
     * others. Empty before the first complete `up`.
     */
    published: Set<number>;
    /** User → expiry of its client certificate. */
    clients: Map<string, Date>;
    /**
     * User → generations of the CAs that signed its certificates: the one in the state, and the one in the
     * outputs, which is older after an interrupted `up`.
     */
    clientIssuers: Map<string, Set<number>>;
    /** User → client certificate in PEM. */
    clientPems: Record<string, string>;
    /** Current and former passwords. */
    passwords: KnownPasswords;
    /** Current and former devices. */
    devices: KnownDevices;
    /** Generation → the CA's revocation list; empty before devices log in with certificates. */
    revocations: Map<number, RevocationRecord>;
    /** User of each revoked certificate. */
    revoked: string[];
    /** App, machine and volume. */
    broker: { app: string; machineId: string; volumeId: string } | undefined;
    /** The broker's image: `REGISTRY/APP:TAG`, and the same by digest. */
    image: { imageName: string; repoDigest: string } | undefined;
    /** Queue limits of the deployed machine. */
    queues: QueueLimits | undefined;
}

const SIGNED = "tls:index/locallySignedCert:LocallySignedCert";

const REVOCATION_LIST = "pulumi-nodejs:dynamic/kept:RevocationList";

const APP = "pulumi-nodejs:dynamic/fly:App";

const FLY_APP = "appkata-mqtt:index:FlyApp";

const CERTIFICATES = "appkata-mqtt:index:Certificates";

const MACHINE = "pulumi-nodejs:dynamic/fly:Machine";

const IMAGE = "docker:index/image:Image";

const VOLUME = "pulumi-nodejs:dynamic/fly:Volume";

/** Matches a certificate's URN; captures its component and its name. */
const RESOURCE = /appkata-mqtt:index:((?:Client)?Certificates)\$tls:[^:]+:[^:]+::(.*)$/;

export async function readDeployed(owner: BrokerRef): Promise<Deployed> {
    const names = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()];
    const { outputs } = (await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {
        stackName: names.join("/"),
    })) as { outputs: State };
    return deployedFrom(stateOf(owner, outputs), new Date());
}

/** @returns undefined unless both machine and volume exist */
function brokerIn(state: State): Deployed["broker"] {
    const outputsOf = (type: string) =>
        Object.values(state).find((resource) => resource.type === type)?.outputs ?? {};
    const { app, machineId } = outputsOf(MACHINE);
    const { volumeId } = outputsOf(VOLUME);
    return typeof app === "string" && typeof machineId === "string" && typeof volumeId === "string"
        ? { app, machineId, volumeId }
        : undefined;
}

/** The volume that the machine mounts. */
function mountedIn(state: State): string | undefined {
    const machine = Object.values(state).find(({ type }) => type === MACHINE);
    const config = machine?.outputs.config as MachineConfig | undefined;
    return config?.mounts?.[0]?.volume;
}

function imageIn(state: State): Deployed["image"] {
    const found = Object.values(state).find(({ type }) => type === IMAGE)?.outputs ?? {};
    const { imageName, repoDigest } = found;
    return typeof imageName === "string" && typeof repoDigest === "string"
        ? { imageName, repoDigest }
        : undefined;
}

export function deployedFrom(state: State, now: Date): Deployed {
    const stack = Object.values(state).find(({ type }) => type === "pulumi:pulumi:Stack");
    const stackOutputs = (stack?.outputs ?? {}) as Partial<BrokerOutputs>;
    const { expiry, clientCertificates = {}, revocations = {} } = stackOutputs;
    const deployed: Deployed = {
        appName: undefined,
        volume: undefined,
        volumeId: mountedIn(state) ?? stackOutputs.volumeId,
        authorities: new Map(),
        commonNames: new Map(),
        server: undefined,
        issuer: undefined,
        published: new Set(),
        clients: new Map(),
        clientIssuers: new Map(),
        clientPems: {},
        passwords: passwordsIn(state, stackOutputs),
        devices: devicesIn(state, stackOutputs),
        revocations: new Map(),
        revoked: [],
        broker: brokerIn(state),
        image: imageIn(state),
        queues: undefined,
    };
    for (const [generation, record] of Object.entries(revocations)) {
        deployed.revocations.set(Number(generation), unpack(record));
    }
    const before = expiry?.ca ?? {};
    deployed.published = new Set(Object.keys(before).map(Number));
    const subjects = new Map<string, number>();
    const issuerOf = (pem: string) => subjects.get(new X509Certificate(pem).issuer);
    let serverPem: string | undefined;
    for (const [urn, { type, outputs }] of Object.entries(state)) {
        // The components' outputs come first, and count where the state has lost the resources.
        if (type === FLY_APP) deployed.appName = outputs.appName as string | undefined;
        if (type === CERTIFICATES) deployed.commonNames = commonNamesIn(String(outputs.caPem));
        if (type === APP) deployed.appName = String(outputs.name);
        if (type === VOLUME) {
            deployed.volume = outputs as unknown as Deployed["volume"];
            deployed.volumeId = String(outputs.volumeId);
        }
        if (type === REVOCATION_LIST) {
            // Newer than the output after an interrupted `up`.
            const record = recordIn(outputs as unknown as PackedRecord);
            const by = new X509Certificate(String(outputs.caCertPem));
            deployed.revocations.set(generationOf(nameOf(by)), record);
        }
        if (type === MACHINE) deployed.queues = queueLimitsIn(outputs.config ?? {});
        const [, component, name] = RESOURCE.exec(urn) ?? [];
        if (name === undefined) continue;
        const end = new Date(String(outputs.validityEndTime));
        if (component === "ClientCertificates") {
            if (type === SIGNED && name !== VERIFIER) {
                deployed.clients.set(name, end);
                deployed.clientPems[name] = String(outputs.certPem);
            }
            continue;
        }
        if (type === "tls:index/selfSignedCert:SelfSignedCert") {
            const certificate = new X509Certificate(String(outputs.certPem));
            const commonName = nameOf(certificate);
            const generation = generationOf(commonName);
            const old = new Date(before[generation] ?? end);
            const held = old > now && old < end ? old : end;
            deployed.authorities.set(generation, { end, held });
            deployed.commonNames.set(generation, commonName);
            subjects.set(certificate.subject, generation);
        } else if (type === SIGNED && name === "server") {
            deployed.server = end;
            serverPem = String(outputs.certPem);
        }
    }
    const lists = [...deployed.revocations.values()];
    deployed.revoked = lists.flatMap(({ revoked = [] }) => revoked.map(({ name }) => name));
    deployed.issuer = serverPem === undefined ? undefined : issuerOf(serverPem);
    const told = Object.entries(clientCertificates).map(([name, one]) => [
        name,
        one.certificatePem,
    ]);
    for (const [name, pem] of [...Object.entries(deployed.clientPems), ...told]) {
        const issuer = issuerOf(pem!);
        if (issuer === undefined) continue;
        const issuers = deployed.clientIssuers.get(name!) ?? new Set();
        deployed.clientIssuers.set(name!, issuers.add(issuer));
    }
    return deployed;
}

/** Common names of the CAs in a bundle, by generation. */
function commonNamesIn(pem: string): Map<number, string> {
    const names = certificatesIn(pem).map((one) => nameOf(new X509Certificate(one)));
    return new Map(names.map((name) => [generationOf(name), name]));
}

/** Reads a CA's name, which is all of its subject. */
function nameOf({ subject }: X509Certificate): string {
    return subject.replace(/^CN=/, "");
}

/** Reads the generation from a CA's name, which the code's logical names do not change. The first has no number. */
function generationOf(commonName: string): number {
    return Number(/ CA (\d+)$/.exec(commonName)?.[1] ?? 1);
}

type PackedRecord = PackedIn<RevocationRecord, "issued" | "revoked">;

function recordIn({ issued, revoked, number, thisUpdate }: PackedRecord): RevocationRecord {
    return { issued: unpack(issued), revoked: unpack(revoked), number, thisUpdate };
}
