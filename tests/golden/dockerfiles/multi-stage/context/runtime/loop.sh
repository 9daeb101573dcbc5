runtime/loop.sh
