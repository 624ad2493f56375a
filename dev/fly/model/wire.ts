import type {
    AppRecord,
    IpRecord,
    LocalState,
    MachineRecord,
    SnapshotRecord,
    VolumeRecord,
} from "./records.ts";

export function machinesOf(state: LocalState, app: string): MachineRecord[] {
    return Object.values(state.machines).filter((machine) => machine.app === app);
}

export function volumesOf(state: LocalState, app: string): VolumeRecord[] {
    return Object.values(state.volumes).filter((volume) => volume.app === app);
}

export function appBody(state: LocalState, app: AppRecord): Record<string, unknown> {
    const organization = state.organizations.find((one) => one.slug === app.organization);
    return {
        id: app.id,
        name: app.name,
        internal_numeric_id: app.numericId,
        network: app.network,
        status: app.deployed ? "deployed" : "pending",
        machine_count: machinesOf(state, app.name).filter((one) => one.state !== "destroyed")
            .length,
        volume_count: volumesOf(state, app.name).length,
        organization: {
            slug: app.organization,
            name: organization?.name ?? app.organization,
            internal_numeric_id: organization?.numericId ?? 0,
        },
        cname_target: `${app.name}.fly.dev`,
        app_role: "app",
    };
}

export interface MachineView {
    summary?: boolean;
    lease?: boolean;
}

/** Renders a machine as the API shows it. `version` equals `instance_id`; both change with every update. */
export function machineBody(machine: MachineRecord, view: MachineView = {}): object {
    const body: Record<string, unknown> = {
        id: machine.id,
        name: machine.name,
        state: machine.state,
        region: machine.region,
        image_ref: machine.image,
        instance_id: machine.instanceId,
        version: machine.instanceId,
        private_ip: machine.privateIp,
        created_at: machine.createdAt,
        updated_at: machine.updatedAt,
        cordoned: machine.cordoned,
    };
    if (machine.unreachable) {
        // While the host is lost, Fly shows only the parts of the config that it knows without it.
        const { image, guest, metadata, mounts, services } = machine.config;
        body.incomplete_config = { image, guest, metadata, mounts, services };
        body.host_status = "unreachable";
    } else if (!view.summary) {
        body.config = machine.config;
        body.events = machine.events.slice(0, 20);
        body.checks = machine.checks;
        body.host_status = "ok";
    }
    if (view.lease && machine.lease) {
        body.lease = { ...machine.lease, version: machine.instanceId };
    }
    return body;
}

export interface VolumeUsage {
    blocks: number;
    block_size: number;
    blocks_free: number;
    blocks_avail: number;
}

export function volumeBody(
    volume: VolumeRecord,
    usage: VolumeUsage = { blocks: 0, block_size: 0, blocks_free: 0, blocks_avail: 0 },
): Record<string, unknown> {
    return {
        id: volume.id,
        name: volume.name,
        state: volume.state,
        size_gb: volume.sizeGb,
        region: volume.region,
        zone: volume.zone,
        encrypted: volume.encrypted,
        attached_machine_id: volume.machine ?? null,
        attached_alloc_id: null,
        created_at: volume.createdAt,
        ...usage,
        bytes_used: (usage.blocks - usage.blocks_free) * usage.block_size,
        bytes_total: usage.blocks * usage.block_size,
        fstype: volume.fstype,
        snapshot_retention: volume.snapshotRetention,
        auto_backup_enabled: volume.autoBackup,
        host_dedication_key: "",
        host_status: volume.unreachable ? "unreachable" : "ok",
        type: "local",
    };
}

export function snapshotBody(snapshot: SnapshotRecord): Record<string, unknown> {
    const { id, size, volume_size, digest, created_at, status, retention_days } = snapshot;
    return { id, size, volume_size, digest, created_at, status, retention_days };
}

/** Renders an address. The API never echoes the type it was requested with. */
export function ipBody(ip: IpRecord): Record<string, unknown> {
    return {
        ip: ip.ip,
        region: ip.region,
        service_name: ip.service_name ?? "",
        shared: ip.shared,
        created_at: ip.created_at,
        network: ip.network ?? null,
    };
}
