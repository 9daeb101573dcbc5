tests/a.php
