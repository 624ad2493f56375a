import type { MachineConfig } from "./config.ts";

/** An organisation; `personal` is an alias for the instance's own. */
export interface Organization {
    slug: string;
    name: string;
    numericId: number;
}

export interface SecretRecord {
    value: string;
    digest: string;
    created_at: string;
    updated_at: string;
}

export interface IpRecord {
    ip: string;
    type: string;
    region: string;
    shared: boolean;
    service_name?: string;
    network?: string;
    created_at: string;
    /** Loopback address the edge listens on, in IPv4 form; undefined if the address is not routed. */
    listen?: string;
}

export interface CertificateRecord {
    hostname: string;
    source: "custom" | "fly";
    created_at: string;
    updated_at: string;
    expires_at?: string;
}

export interface AppRecord {
    id: string;
    numericId: number;
    name: string;
    organization: string;
    network: string;
    deployed: boolean;
    createdAt: number;
    /** Set while the app is being deleted in the background. */
    deleting?: boolean;
    secretsVersion: number;
    secrets: Record<string, SecretRecord>;
    ips: IpRecord[];
    certificates: CertificateRecord[];
}

export interface ImageRef {
    registry: string;
    repository: string;
    tag?: string;
    digest?: string;
    labels?: Record<string, string>;
}

export interface MachineEvent {
    id: string;
    type: string;
    status: string;
    source: string;
    timestamp: number;
    request?: Record<string, unknown>;
}

export interface CheckStatus {
    name: string;
    status: "passing" | "warning" | "critical";
    output: string;
    updated_at: string;
}

export interface LeaseRecord {
    nonce: string;
    /** Unix seconds. */
    expires_at: number;
    owner: string;
    description: string;
}

export interface MachineVersion {
    version: string;
    user_config: MachineConfig;
}

export type MachineState =
    | "created"
    | "starting"
    | "started"
    | "stopping"
    | "stopped"
    | "suspended"
    | "restarting"
    | "replacing"
    | "failed"
    | "destroying"
    | "destroyed";

export interface MachineRecord {
    id: string;
    app: string;
    name: string;
    region: string;
    /** Changed by `runtime/machines.ts` alone. */
    state: MachineState;
    instanceId: string;
    config: MachineConfig;
    image: ImageRef;
    privateIp: string;
    createdAt: string;
    updatedAt: string;
    /** Newest first, as the API lists them. */
    events: MachineEvent[];
    checks: CheckStatus[];
    /** Set while its host is lost (`PUT /_local/hosts`). */
    unreachable?: true;
    cordoned: boolean;
    lease?: LeaseRecord;
    versions: MachineVersion[];
    container?: string;
    skipSecrets: boolean;
    /** Set for a machine created with `skip_launch`: stays `created` until started. */
    skipLaunch: boolean;
    /** The app's secrets when this version was created or updated (see `secretsOnRestart`). */
    pinnedSecrets?: Record<string, string>;
    /** Times (ms) of restarts by policy; only those of the last five minutes count. */
    restarts: number[];
    /** Time of the last change of state (ms). */
    changedAt: number;
}

export interface SnapshotRecord {
    id: string;
    volume: string;
    app: string;
    size: number;
    volume_size: number;
    digest: string;
    created_at: string;
    status: string;
    retention_days: number;
}

export interface VolumeRecord {
    id: string;
    app: string;
    name: string;
    state: string;
    sizeGb: number;
    region: string;
    zone: string;
    encrypted: boolean;
    fstype: string;
    /** Set while its host is lost. */
    unreachable?: true;
    machine?: string;
    /** Time (ms) until which the volume counts as bound, once its machine is gone. */
    boundUntil?: number;
    snapshotRetention: number;
    autoBackup: boolean;
    createdAt: string;
}

export interface DeployToken {
    token: string;
    app: string;
    /** Unix milliseconds. */
    expiresAt: number;
}

/** Everything that outlives the server. Holds secrets, so it is written with mode 0600. */
export interface LocalState {
    schema: 1;
    token: string;
    /** Every `host:port` that the registry has had: image names made then must still work. */
    registryHosts: string[];
    /** Kind of the volume store, see runtime/volumes.ts. */
    volumeKind?: "docker" | "loop";
    organizations: Organization[];
    deployTokens: DeployToken[];
    apps: Record<string, AppRecord>;
    machines: Record<string, MachineRecord>;
    volumes: Record<string, VolumeRecord>;
    snapshots: Record<string, SnapshotRecord>;
}
