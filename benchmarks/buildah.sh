# The main job with buildah: from, copy, commit, manifest add, manifest push.
# Arguments: workload, base registry, target registry, scratch folder, folder with archives. Runs in the workload's folder.
workload=$1 base=$2 target=$3 scratch=$4 mirror=$5
mkdir -p "$scratch"
buildah manifest rm bench-index >/dev/null 2>&1 || true
buildah manifest create bench-index >/dev/null
for arch in amd64 arm64; do
    case $arch in amd64) name=x86_64 node=x64 ;; *) name=arm64 node=arm64 ;; esac
    container=$(buildah from -q --tls-verify=false --arch $arch "$base/lambda/provided:al2023")
    if [ "$workload" = W1 ]; then
        buildah copy -q "$container" "build/$name/bootstrap" /var/runtime/bootstrap >/dev/null
    else
        unpacked=$scratch/node-$arch
        rm -rf "$unpacked" && mkdir -p "$unpacked"
        tar -xzf "$mirror/dist/v19.9.0/node-v19.9.0-linux-$node.tar.gz" -C "$unpacked" --strip-components 1
        buildah copy -q "$container" "$unpacked" /var/lang >/dev/null
        buildah copy -q "$container" bootstrap /var/runtime/bootstrap >/dev/null
        buildah copy -q "$container" src /var/task >/dev/null
    fi
    buildah config --cmd bootstrap "$container"
    image=$(buildah commit -q "$container")
    buildah manifest add bench-index "$image" >/dev/null
    buildah rm "$container" >/dev/null
done
buildah manifest push -q --tls-verify=false --all bench-index "docker://$target/buildah:v1" >/dev/null
