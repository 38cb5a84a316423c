
# A USB webcam plays a film, and a browser on the host watches. The host leaves a file when it has seen enough.
mkfifo /tmp/camera
usbcam -film /share/film.mjpeg -shown /tmp/shown -commands /tmp/camera &
echo plug >/tmp/camera
wait_for 20 grep -l "Lab USB Camera" /sys/class/video4linux/video2/name
EXTRA='listen: ":8090"
first_password: /job/password'
agent /dev/video2 5 MJPG
touch /share/ready
wait_for 150 test -e /share/seen
finish 0
