# The main job with umoci and skopeo, as their manuals have it: copy the base, insert, copy to the target, join.
# Arguments: workload, base registry, target registry, scratch folder, folder with archives. Runs in the workload's folder.
workload=$1 base=$2 target=$3 scratch=$4 mirror=$5
mkdir -p "$scratch"
for arch in amd64 arm64; do
    case $arch in amd64) name=x86_64 node=x64 ;; *) name=arm64 node=arm64 ;; esac
    layout=$scratch/$arch
    rm -rf "$layout"
    skopeo --override-arch $arch copy -q --src-tls-verify=false "docker://$base/lambda/provided:al2023" "oci:$layout:base"
    if [ "$workload" = W1 ]; then
        umoci insert --rootless --image "$layout:base" --tag v1 "build/$name/bootstrap" /var/runtime/bootstrap
    else
        unpacked=$scratch/node-$arch
        rm -rf "$unpacked" && mkdir -p "$unpacked"
        tar -xzf "$mirror/dist/v19.9.0/node-v19.9.0-linux-$node.tar.gz" -C "$unpacked" --strip-components 1
        umoci insert --rootless --image "$layout:base" --tag one "$unpacked" /var/lang
        umoci insert --rootless --image "$layout:one" --tag two bootstrap /var/runtime/bootstrap
        umoci insert --rootless --image "$layout:two" --tag v1 src /var/task
    fi
    umoci config --image "$layout:v1" --config.cmd bootstrap
    skopeo copy -q --dest-tls-verify=false "oci:$layout:v1" "docker://$target/umoci:v1-$name"
done
# Neither tool writes an index: two manifests are put under one tag by hand, as scripts do.
entry() {
    skopeo inspect --raw --tls-verify=false "docker://$target/umoci:v1-$1" >"$scratch/$1.json"
    printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"}}' \
        "$(sha256sum "$scratch/$1.json" | cut -d' ' -f1)" "$(stat -c %s "$scratch/$1.json")" "$2"
}
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,%s]}' \
    "$(entry x86_64 amd64)" "$(entry arm64 arm64)" >"$scratch/index.json"
curl -sSf -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary "@$scratch/index.json" \
    "http://$target/v2/umoci/manifests/v1"
