// SPDX-License-Identifier: Apache-2.0

import java.nio.charset.StandardCharsets;
import java.util.Scanner;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.retry.RetryOneTime;

/**
 * CuratorLock HOST:PORT PATH mutex|read|write: does what standard input says,
 * a line each, and answers with a line.
 *
 *	acquire MS      "true" or "false"
 *	release         "true"
 *	count PATH N    adds 1 to a number N times, each time under the lock
 */
public class CuratorLock {
	static InterProcessLock lock(CuratorFramework zk, String path,
			String kind) {
		if (kind.equals("mutex"))
			return new InterProcessMutex(zk, path);
		InterProcessReadWriteLock both =
			new InterProcessReadWriteLock(zk, path);
		return kind.equals("read") ? both.readLock() : both.writeLock();
	}

	static void count(CuratorFramework zk, InterProcessLock lock,
			String path, int times) throws Exception {
		for (int i = 0; i < times; i++) {
			lock.acquire();
			try {
				int n = Integer.parseInt(new String(
					zk.getData().forPath(path),
					StandardCharsets.US_ASCII));
				zk.setData().forPath(path, String.valueOf(n + 1)
					.getBytes(StandardCharsets.US_ASCII));
			} finally {
				lock.release();
			}
		}
	}

	public static void main(String[] args) throws Exception {
		CuratorFramework zk = CuratorFrameworkFactory.newClient(
			args[0], new RetryOneTime(1000));
		zk.start();
		zk.blockUntilConnected();
		InterProcessLock lock = lock(zk, args[1], args[2]);
		System.out.println("ready");
		Scanner in = new Scanner(System.in);
		while (in.hasNext()) {
			String verb = in.next();
			boolean done = true;
			if (verb.equals("acquire"))
				done = lock.acquire(in.nextInt(),
					TimeUnit.MILLISECONDS);
			else if (verb.equals("release"))
				lock.release();
			else
				count(zk, lock, in.next(), in.nextInt());
			System.out.println(done);
		}
		zk.close();
	}
}
